"""Compute preference losses and the NLL on pairs, and the sums over tokens that the losses compare.

All are pure functions on tensors.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from torch import Tensor
from torch.nn.functional import logsigmoid

from iterpref_core.records import Objective


class ProgramSums(NamedTuple):
    """What a loss sees of one program of each pair: sums over the tokens that count; all (pairs,).

    Attributes:
        logratio: K, of log pi - log pi_ref, nats; a mean for an objective `per_token`.
        logps: of log pi alone, nats.
        tokens: how many count; 1 where none does, so that a mean is 0.
    """

    logratio: Tensor
    logps: Tensor
    tokens: Tensor


PreferenceLoss = Callable[[ProgramSums, ProgramSums, float], Tensor]
"""The sums of y+, the sums of y-, beta → (pairs,) losses."""


def sigmoid_loss(chosen: ProgramSums, rejected: ProgramSums, beta: float) -> Tensor:
    """Return -log sigmoid(beta (K+ - K-)) for each pair: DPO's loss (arXiv 2305.18290, equation 7).

    Args:
        chosen: of y+.
        rejected: of y-.
        beta: strength of the implicit KL penalty.

    Returns:
        (pairs,)
    """
    return -logsigmoid(beta * (chosen.logratio - rejected.logratio))


PREFERENCE_LOSSES: dict[str, PreferenceLoss] = {"sigmoid": sigmoid_loss}
"""Preference terms by their names in the table of objectives."""


def preference_losses(
    logps: Tensor,
    batch: Mapping[str, Tensor],
    row: Objective,
    beta: float,
    pairs: int,
    label_smoothing: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return K+, K- and the preference term of each pair: (pairs,) each.

    Args:
        logps: (labels,) log-probabilities under the model in training, nats.
        batch: from the collator: the labels' weights, reference and pairs.
        row: the objective: its loss, a name in `PREFERENCE_LOSSES`, and whether K+ and K- are means.
        beta: strength of the implicit KL penalty.
        pairs: the number of pairs.
        label_smoothing: the share epsilon of pairs whose two programs are taken to be mixed up: the loss is that of
            the pair times 1 - epsilon, and that of the mixed-up pair times epsilon (cDPO: Mitchell 2023, "A note on
            DPO with noisy preferences").
    """
    chosen, rejected = (
        program_sums(logps, batch["ref"], batch[weights], batch["pair"], pairs)
        for weights in ("w_chosen", "w_rejected")
    )
    if row.per_token:
        chosen, rejected = (sums._replace(logratio=sums.logratio / sums.tokens) for sums in (chosen, rejected))
    loss = PREFERENCE_LOSSES[str(row.loss)]
    losses = loss(chosen, rejected, beta)
    if label_smoothing:
        losses = (1 - label_smoothing) * losses + label_smoothing * loss(rejected, chosen, beta)
    return chosen.logratio, rejected.logratio, losses


def program_sums(
    logps: Tensor,
    ref_logps: Tensor,
    weights: Tensor,
    pair: Tensor,
    pairs: int,
) -> ProgramSums:
    """Return the weighted sums over the tokens of each program.

    Args:
        logps: (labels,) log-probabilities under the model in training, nats.
        ref_logps: (labels,) the same under the reference.
        weights: (labels,) w+ or w-.
        pair: (labels,) the pair that a label belongs to, from 0.
        pairs: the number of pairs; one without weights has K = 0.
    """

    # Labels of all programs follow each other: terms [a, b, c] with pair [0, 0, 1] have the sums [a + b, c].
    def summed(terms: Tensor) -> Tensor:
        return terms.new_zeros(pairs).index_add(0, pair, terms)

    return ProgramSums(
        logratio=summed((logps - ref_logps) * weights),
        logps=summed(logps * weights),
        tokens=summed(weights).clamp(min=1),
    )


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
