"""The one loss and the table of its variants.

IterPref's loss (arXiv 2503.02783, section 3.3) and its baselines differ only in which tokens count:

    K+ = sum_t w+_t (log pi - log pi_ref)(y+_t)        K- = sum_t w-_t (log pi - log pi_ref)(y-_t)
    L  = -log sigmoid(beta (K+ - K-)) + alpha * NLL(y+)

DPO weighs every token of both programs; the focal objectives weigh all of y+ but of y- only the error region D-. The
paper's ablations weigh D- in one half of each batch (Hybrid), or of y+ too only what the fix changed (Symmetric).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn.functional import logsigmoid

from iterpref_core.config import ObjectiveName

Tokens = Literal["all", "focal", "half focal"]
"""All tokens of a program, those of its error region alone, or the latter for one half of every batch."""


@dataclass(frozen=True)
class Objective:
    """A row of the table.

    `chosen`: the tokens of y+ in K+. `rejected`: the tokens of y- in K-. Without `preference` there is no -log sigmoid
    term, and no reference. `learns`: the program whose every token is in the NLL.
    """

    preference: bool = True
    chosen: Literal["all", "focal"] = "all"
    rejected: Tokens = "all"
    learns: Literal["chosen", "rejected"] = "chosen"


OBJECTIVES: dict[ObjectiveName, Objective] = {
    "sft": Objective(preference=False),
    "dpo": Objective(),
    "rpo": Objective(),
    "target-dpo": Objective(rejected="focal"),
    "target-rpo": Objective(rejected="focal"),
    "sft-rejected": Objective(preference=False, learns="rejected"),
    "hybrid-dpo": Objective(rejected="half focal"),
    "hybrid-rpo": Objective(rejected="half focal"),
    "symmetric-dpo": Objective(chosen="focal", rejected="focal"),
    "symmetric-rpo": Objective(chosen="focal", rejected="focal"),
}
"""A name in `rpo` is its `dpo` with alpha > 0; SFT has the NLL alone.

Which tokens an error region has is the data's matter: token-level and prefix-suffix diff are other localizers, and
Diff-Augmentation is `localization.widen_lines`. Code-Optimise's DPO and RPO are `dpo` and `rpo` on pairs from sampling.
"""


def sequence_logratio(
    logps: torch.Tensor, ref_logps: torch.Tensor, weights: torch.Tensor, pair: torch.Tensor, pairs: int
) -> torch.Tensor:
    """K: the weighted sum of log pi - log pi_ref over the tokens of each program.

    Args:
        logps: (labels,) log-probabilities under the model in training, nats.
        ref_logps: (labels,) the same under the reference.
        weights: (labels,) w+ or w-.
        pair: (labels,) the pair that a label belongs to, from 0.
        pairs: how many there are; one without labels has K = 0.

    Returns:
        (pairs,)
    """
    terms = (logps - ref_logps) * weights
    return terms.new_zeros(pairs).index_add(0, pair, terms)


def preference_loss(chosen_logratio: torch.Tensor, rejected_logratio: torch.Tensor, beta: float) -> torch.Tensor:
    """-log sigmoid(beta (K+ - K-)) for each pair.

    Args:
        chosen_logratio: (batch,) K+.
        rejected_logratio: (batch,) K-.
        beta: strength of the implicit KL penalty.

    Returns:
        (batch,)
    """
    return -logsigmoid(beta * (chosen_logratio - rejected_logratio))


def nll_loss(logps: torch.Tensor, weights: torch.Tensor, reduction: Literal["mean", "sum"], pairs: int) -> torch.Tensor:
    """Negative log-likelihood of the chosen programs.

    Args:
        logps: (labels,) log-probabilities, nats.
        weights: (labels,) v: 1 on the tokens of y+, else 0.
        reduction: `sum` over the tokens of each program, then the mean over programs (the paper's equation), or
            `mean` over all tokens of the batch (its authors' code).
        pairs: how many pairs there are.

    Returns:
        A scalar.
    """
    total = -(logps * weights).sum()
    return total / (weights.sum().clamp(min=1) if reduction == "mean" else pairs)
