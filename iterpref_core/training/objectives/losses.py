"""Compute preference losses and the NLL on pairs, and the sums over tokens that the losses compare.

All are pure functions on tensors.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor
from torch.nn.functional import logsigmoid

PreferenceLoss = Callable[..., Tensor]
"""(batch,) K+, (batch,) K-, beta → (batch,) losses."""


def sigmoid_loss(
    chosen_logratio: Tensor,
    rejected_logratio: Tensor,
    beta: float,
) -> Tensor:
    """Return -log sigmoid(beta (K+ - K-)) for each pair: DPO's loss (arXiv 2305.18290, equation 7).

    Args:
        chosen_logratio: (batch,) K+.
        rejected_logratio: (batch,) K-.
        beta: strength of the implicit KL penalty.

    Returns:
        (batch,)
    """
    return -logsigmoid(beta * (chosen_logratio - rejected_logratio))


PREFERENCE_LOSSES: dict[str, PreferenceLoss] = {"sigmoid": sigmoid_loss}
"""Preference terms by their names in the table of objectives."""


def preference_losses(
    logps: Tensor,
    batch: Mapping[str, Tensor],
    loss: str,
    beta: float,
    pairs: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return K+, K- and the preference term of each pair: (pairs,) each.

    Args:
        logps: (labels,) log-probabilities under the model in training, nats.
        batch: from the collator: the labels' weights, reference and pairs.
        loss: a name in `PREFERENCE_LOSSES`.
        beta: strength of the implicit KL penalty.
        pairs: the number of pairs.
    """
    chosen, rejected = (
        sequence_logratio(logps, batch["ref"], batch[weights], batch["pair"], pairs)
        for weights in ("w_chosen", "w_rejected")
    )
    return chosen, rejected, PREFERENCE_LOSSES[loss](chosen, rejected, beta)


def sequence_logratio(
    logps: Tensor,
    ref_logps: Tensor,
    weights: Tensor,
    pair: Tensor,
    pairs: int,
) -> Tensor:
    """Return K: the weighted sum of log pi - log pi_ref over the tokens of each program.

    Args:
        logps: (labels,) log-probabilities under the model in training, nats.
        ref_logps: (labels,) the same under the reference.
        weights: (labels,) w+ or w-.
        pair: (labels,) the pair that a label belongs to, from 0.
        pairs: the number of pairs; one without weights has K = 0.

    Returns:
        (pairs,)
    """
    # Labels of all programs follow each other: terms [a, b, c] with pair [0, 0, 1] have the sums [a + b, c].
    terms = (logps - ref_logps) * weights
    zeros = terms.new_zeros(pairs)
    return zeros.index_add(0, pair, terms)


def nll_loss(
    logps: Tensor,
    weights: Tensor,
    reduction: Literal["mean", "sum"],
    pairs: int,
) -> Tensor:
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
    # A sum of all labels; only the divisor depends on the reduction.
    total = -(logps * weights).sum()
    if reduction == "mean":
        return total / weights.sum().clamp(min=1)
    return total / pairs
