"""Losses on pairs: the preference terms, the sum over tokens that they compare, and the NLL.

All are pure functions on tensors. PyTorch is imported where it is computed with, because command lines, forms and the
report read the table of objectives, and start without it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

PreferenceLoss = Callable[["Tensor", "Tensor", float], "Tensor"]
"""(batch,) K+, (batch,) K- and beta → (batch,) losses."""


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


ROBUST_FLIPS = 0.1
"""Share of pairs whose order `robust_loss` takes for wrong: that of the paper's experiments (arXiv 2403.00409)."""


def robust_loss(
    chosen_logratio: "Tensor",
    rejected_logratio: "Tensor",
    beta: float,
) -> "Tensor":
    """Return DPO's loss, corrected for pairs whose order is wrong, for each pair (arXiv 2403.00409, equation 12).

    Args:
        chosen_logratio: (batch,) K+.
        rejected_logratio: (batch,) K-.
        beta: strength of the implicit KL penalty.

    Returns:
        (batch,), which may be negative.
    """
    as_given = sigmoid_loss(chosen_logratio, rejected_logratio, beta)
    flipped = sigmoid_loss(rejected_logratio, chosen_logratio, beta)
    return ((1 - ROBUST_FLIPS) * as_given - ROBUST_FLIPS * flipped) / (1 - 2 * ROBUST_FLIPS)


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


SIMPO_MARGIN = 0.5
"""Gamma of SimPO, the margin by which the reward of the chosen program must be larger; the value is TRL's."""


def simpo_loss(chosen_logp: "Tensor", rejected_logp: "Tensor", beta: float) -> "Tensor":
    """Return -log sigmoid(beta (K+ - K-) - gamma) for each pair: SimPO's loss (arXiv 2405.14734, equation 6).

    Args:
        chosen_logp: (batch,) log pi of y+, as a mean over its tokens; there is no reference.
        rejected_logp: (batch,) log pi of y-, as a mean over its tokens.
        beta: scale of the reward; SimPO's authors use 2 to 10.

    Returns:
        (batch,)
    """
    from torch.nn.functional import logsigmoid

    return -logsigmoid(beta * (chosen_logp - rejected_logp) - SIMPO_MARGIN)


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
