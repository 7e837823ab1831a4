"""Losses on pairs: the preference terms, the sum over tokens that they compare, and the NLL.

All are pure functions on tensors. PyTorch is imported where it is computed with, because command lines, forms and the
report read the table of objectives, and start without it.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

PreferenceLoss = Callable[..., "Tensor"]
"""(batch,) K+, (batch,) K-, beta and the loss's own options → (batch,) losses."""


def sigmoid_loss(
    chosen_logratio: "Tensor",
    rejected_logratio: "Tensor",
    beta: float,
) -> "Tensor":
    """Return -log sigmoid(beta (K+ - K-)) for each pair: DPO's loss (arXiv 2305.18290, equation 7).

    Args:
        chosen_logratio: (batch,) K+.
        rejected_logratio: (batch,) K-.
        beta: strength of the implicit KL penalty.

    Returns:
        (batch,)
    """
    from torch.nn.functional import logsigmoid

    return -logsigmoid(beta * (chosen_logratio - rejected_logratio))


def hinge_loss(
    chosen_logratio: "Tensor",
    rejected_logratio: "Tensor",
    beta: float,
) -> "Tensor":
    """Return max(0, 1 - beta (K+ - K-)) for each pair: SLiC's loss on the same margin (arXiv 2309.06657, section 3.2).

    Args:
        chosen_logratio: (batch,) K+.
        rejected_logratio: (batch,) K-.
        beta: strength of the implicit KL penalty.

    Returns:
        (batch,)
    """
    from torch.nn.functional import relu

    return relu(1 - beta * (chosen_logratio - rejected_logratio))


def ipo_loss(
    chosen_logratio: "Tensor",
    rejected_logratio: "Tensor",
    beta: float,
) -> "Tensor":
    """Return (K+ - K- - 1 / (2 beta))^2 for each pair: IPO's loss (arXiv 2310.12036, equation 17; tau is beta here).

    Args:
        chosen_logratio: (batch,) K+, as a mean over its tokens.
        rejected_logratio: (batch,) K-, as a mean over its tokens.
        beta: IPO's tau.

    Returns:
        (batch,)
    """
    return (chosen_logratio - rejected_logratio - 1 / (2 * beta)) ** 2


def cautious_loss(
    chosen_logratio: "Tensor",
    rejected_logratio: "Tensor",
    beta: float,
    label_smoothing: float,
) -> "Tensor":
    """Return DPO's loss with smoothed labels, for each pair: conservative DPO.

    The source is E. Mitchell, "A note on DPO with noisy preferences", 2023.

    Args:
        chosen_logratio: (batch,) K+.
        rejected_logratio: (batch,) K-.
        beta: strength of the implicit KL penalty.
        label_smoothing: the share of pairs whose order is taken for wrong, from 0 to below 0.5.

    Returns:
        (batch,)
    """
    as_given = sigmoid_loss(chosen_logratio, rejected_logratio, beta)
    flipped = sigmoid_loss(rejected_logratio, chosen_logratio, beta)
    return (1 - label_smoothing) * as_given + label_smoothing * flipped


def robust_loss(
    chosen_logratio: "Tensor",
    rejected_logratio: "Tensor",
    beta: float,
    label_smoothing: float,
) -> "Tensor":
    """Return DPO's loss, corrected for pairs whose order is wrong, for each pair (arXiv 2403.00409, equation 12).

    Args:
        chosen_logratio: (batch,) K+.
        rejected_logratio: (batch,) K-.
        beta: strength of the implicit KL penalty.
        label_smoothing: the share of pairs whose order is wrong, from 0 to below 0.5; the paper's epsilon.

    Returns:
        (batch,), which may be negative.
    """
    as_given = sigmoid_loss(chosen_logratio, rejected_logratio, beta)
    flipped = sigmoid_loss(rejected_logratio, chosen_logratio, beta)
    return ((1 - label_smoothing) * as_given - label_smoothing * flipped) / (1 - 2 * label_smoothing)


def apo_zero_loss(
    chosen_logratio: "Tensor",
    rejected_logratio: "Tensor",
    beta: float,
) -> "Tensor":
    """Return 1 - sigmoid(beta K+) + sigmoid(beta K-) for each pair: APO-zero (arXiv 2408.06266, equation 7).

    Args:
        chosen_logratio: (batch,) K+.
        rejected_logratio: (batch,) K-.
        beta: strength of the implicit KL penalty.

    Returns:
        (batch,)
    """
    return 1 - (beta * chosen_logratio).sigmoid() + (beta * rejected_logratio).sigmoid()


def simpo_loss(
    chosen_logp: "Tensor",
    rejected_logp: "Tensor",
    beta: float,
    gamma: float,
) -> "Tensor":
    """Return -log sigmoid(beta (K+ - K-) - gamma) for each pair: SimPO's loss (arXiv 2405.14734, equation 6).

    Args:
        chosen_logp: (batch,) log pi of y+, as a mean over its tokens; there is no reference.
        rejected_logp: (batch,) log pi of y-, as a mean over its tokens.
        beta: scale of the reward; SimPO's authors use 2 to 10.
        gamma: the margin by which the reward of the chosen program must be larger.

    Returns:
        (batch,)
    """
    from torch.nn.functional import logsigmoid

    return -logsigmoid(beta * (chosen_logp - rejected_logp) - gamma)


_LARGEST_LOGP = -1e-6
"""A probability of 1 has infinite odds: a mean log-probability above this one counts as this one."""


def orpo_loss(chosen_logp: "Tensor", rejected_logp: "Tensor", beta: float) -> "Tensor":
    """Return -beta log sigmoid(log odds(y+) - log odds(y-)) for each pair: ORPO's term beside its NLL.

    The odds are p / (1 - p) with p = exp(K) (arXiv 2403.07691, equations 4 and 7).

    Args:
        chosen_logp: (batch,) log pi of y+, as a mean over its tokens; there is no reference.
        rejected_logp: (batch,) log pi of y-, as a mean over its tokens.
        beta: the weight of this term, ORPO's lambda.

    Returns:
        (batch,)
    """
    from torch.nn.functional import logsigmoid

    return -beta * logsigmoid(_log_odds(chosen_logp) - _log_odds(rejected_logp))


def _log_odds(logp: "Tensor") -> "Tensor":
    """Return log(p / (1 - p)) of p = exp(logp)."""
    from torch import expm1, log

    logp = logp.clamp(max=_LARGEST_LOGP)
    # 1 - p as -expm1(logp), which keeps its digits where p is close to 1.
    return logp - log(-expm1(logp))


def preference_losses(
    logps: "Tensor",
    batch: "Mapping[str, Tensor]",
    loss: PreferenceLoss,
    beta: float,
    pairs: int,
    *,
    averaged: bool,
    options: Mapping[str, float],
) -> "tuple[Tensor, Tensor, Tensor]":
    """Return K+, K- and the preference term of each pair: (pairs,) each.

    Args:
        logps: (labels,) log-probabilities under the model in training, nats.
        batch: from the collator: the labels' weights, reference and pairs.
        loss: the preference term.
        beta: strength of the implicit KL penalty.
        pairs: the number of pairs.
        averaged: K+ and K- are means over the tokens that count.
        options: further arguments of the loss.
    """
    chosen, rejected = (
        sequence_logratio(logps, batch["ref"], batch[weights], batch["pair"], pairs, averaged=averaged)
        for weights in ("w_chosen", "w_rejected")
    )
    return chosen, rejected, loss(chosen, rejected, beta, **options)


def sequence_logratio(
    logps: "Tensor",
    ref_logps: "Tensor",
    weights: "Tensor",
    pair: "Tensor",
    pairs: int,
    *,
    averaged: bool = False,
) -> "Tensor":
    """Return K: the weighted sum of log pi - log pi_ref over the tokens of each program.

    Args:
        logps: (labels,) log-probabilities under the model in training, nats.
        ref_logps: (labels,) the same under the reference.
        weights: (labels,) w+ or w-.
        pair: (labels,) the pair that a label belongs to, from 0.
        pairs: the number of pairs; one without labels has K = 0.
        averaged: divide by the sum of the weights, which for weights of 0 and 1 is a mean over tokens.

    Returns:
        (pairs,)
    """
    # Labels of all programs lie one behind the other: terms [a, b, c] with pair [0, 0, 1] have the sums [a + b, c].
    terms = (logps - ref_logps) * weights
    zeros = terms.new_zeros(pairs)
    sums = zeros.index_add(0, pair, terms)
    if not averaged:
        return sums
    # A program of which no token counts has the mean 0, and no division by 0.
    counts = zeros.index_add(0, pair, weights.to(terms.dtype)).clamp(min=1)
    return sums / counts


def nll_loss(
    logps: "Tensor",
    weights: "Tensor",
    reduction: Literal["mean", "sum"],
    pairs: int,
) -> "Tensor":
    """Return the negative log-likelihood of the chosen programs.

    Args:
        logps: (labels,) log-probabilities, nats.
        weights: (labels,) v: 1 on the tokens of y+, else 0.
        reduction: `sum` over the tokens of each program, then the mean over programs (the paper's equation), or
            `mean` over all tokens of the batch (its authors' code).
        pairs: the number of pairs.

    Returns:
        A scalar.
    """
    total = -(logps * weights).sum()
    if reduction == "mean":
        return total / weights.sum().clamp(min=1)
    return total / pairs
