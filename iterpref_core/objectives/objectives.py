"""Preference objectives: one loss, and the table of its variants.

IterPref's loss (arXiv 2503.02783, section 3.3) and its baselines differ in which tokens count:

    K+ = sum_t w+_t (log pi - log pi_ref)(y+_t)        K- = sum_t w-_t (log pi - log pi_ref)(y-_t)
    L  = -log sigmoid(beta (K+ - K-)) + alpha * NLL(y+)

DPO weighs every token of both programs; the focal objectives weigh all of y+ but of y- only the error region D-. The
paper's ablations weigh D- in one half of each batch (Hybrid), or of y+ too only what the fix changed (Symmetric).

PyTorch is imported where it is computed with: command lines, forms and the report read the table, and start without it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, WithJsonSchema

from iterpref_core.config import ObjectiveParams
from iterpref_core.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from torch import Tensor

Tokens = Literal["all", "focal"]
"""Which tokens of a program count: all of them, or those of its error region (of y+, what the fix changed)."""

HALF: Literal["half focal"] = "half focal"
"""All tokens of the rejected program in one half of every batch, those of its error region in the other."""

PreferenceLoss = Callable[["Tensor", "Tensor", float], "Tensor"]
"""(batch,) K+, (batch,) K- and beta → (batch,) losses."""


def sigmoid_loss(
    chosen_logratio: "Tensor",
    rejected_logratio: "Tensor",
    beta: float,
) -> "Tensor":
    """-log sigmoid(beta (K+ - K-)) for each pair: DPO's loss (arXiv 2305.18290, equation 7).

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
"""Gamma of SimPO: how much larger the reward of the chosen program must be, as in TRL."""


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


@dataclass(frozen=True)
class Objective:
    """A row of the table: a loss, and the tokens that count in it.

    Attributes:
        label: its name for readers.
        loss: the preference term; None for an objective without one.
        chosen: which tokens of y+ count in K+.
        rejected: which of y- count in K-.
        nll_of: the program that is in the NLL; None where there is no NLL.
        averaged: whether K+ and K- are means over the tokens that count, and no sums.
        referenced: whether K+ and K- are relative to the reference; else they are log-probabilities themselves.
        counterpart: the same objective over all of y-, which the report compares it to.
    """

    label: str
    loss: PreferenceLoss | None = None
    chosen: Tokens = "all"
    rejected: Literal["all", "focal", "half focal"] = "all"
    nll_of: Literal["chosen", "rejected"] | None = None
    averaged: bool = False
    referenced: bool = True
    counterpart: str | None = None

    @property
    def preference(self) -> bool:
        """Whether there is a preference term, and so a rejected program."""
        return self.loss is not None

    @property
    def scores_reference(self) -> bool:
        """Whether the reference has to be scored."""
        return self.preference and self.referenced

    @property
    def regional(self) -> bool:
        """Whether it needs to know where the error is."""
        return self.preference and {self.chosen, self.rejected} != {"all"}

    @property
    def focal(self) -> bool:
        """Whether it is the paper's method: all of y+ is pulled up, and of y- the error region alone pushed down."""
        return self.chosen == "all" and self.rejected == "focal"

    def values(self) -> dict[str, Any]:
        """Return what decides a training, as JSON. The loss goes by its name: its code counts in `code_digest`."""
        decisive = ("chosen", "rejected", "nll_of", "averaged", "referenced")
        return {name: getattr(self, name) for name in decisive} | {"loss": self.loss and self.loss.__name__}


OBJECTIVES: dict[str, Objective] = {
    "sft": Objective("SFT on chosen", nll_of="chosen"),
    "dpo": Objective("DPO", sigmoid_loss),
    "rpo": Objective("RPO", sigmoid_loss, nll_of="chosen"),
    "target-dpo": Objective("Target-DPO", sigmoid_loss, rejected="focal", counterpart="dpo"),
    "target-rpo": Objective("Target-RPO", sigmoid_loss, rejected="focal", nll_of="chosen", counterpart="rpo"),
    "sft-rejected": Objective("SFT-rejected", nll_of="rejected"),
    "hybrid-dpo": Objective("Hybrid-DPO", sigmoid_loss, rejected=HALF),
    "hybrid-rpo": Objective("Hybrid-RPO", sigmoid_loss, rejected=HALF, nll_of="chosen"),
    "symmetric-dpo": Objective("Symmetric-DPO", sigmoid_loss, chosen="focal", rejected="focal"),
    "symmetric-rpo": Objective("Symmetric-RPO", sigmoid_loss, chosen="focal", rejected="focal", nll_of="chosen"),
    "ipo": Objective("IPO", ipo_loss, averaged=True),
    "target-ipo": Objective("Target-IPO", ipo_loss, rejected="focal", averaged=True, counterpart="ipo"),
    "hinge": Objective("Hinge", hinge_loss),
    "target-hinge": Objective("Target-hinge", hinge_loss, rejected="focal", counterpart="hinge"),
    "robust": Objective("Robust DPO", robust_loss),
    "target-robust": Objective("Target-robust", robust_loss, rejected="focal", counterpart="robust"),
    "apo-zero": Objective("APO-zero", apo_zero_loss),
    "target-apo-zero": Objective("Target-APO-zero", apo_zero_loss, rejected="focal", counterpart="apo-zero"),
    "simpo": Objective("SimPO", simpo_loss, averaged=True, referenced=False),
    "target-simpo": Objective(
        "Target-SimPO",
        simpo_loss,
        rejected="focal",
        averaged=True,
        referenced=False,
        counterpart="simpo",
    ),
}
"""RPO is DPO with an NLL; SFT has the NLL alone. Learning rates and alphas stand in params.yaml.

Which tokens an error region has is the data's matter: token-level and prefix-suffix diff are other localizers, and
Diff-Augmentation is `localization.widen_lines`. Code-Optimise's DPO and RPO are `dpo` and `rpo` on pairs from sampling.
"""


def _known(name: str) -> str:
    if name not in OBJECTIVES:
        raise ValueError(unknown_name("objective", name, OBJECTIVES))
    return name


ObjectiveName = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(OBJECTIVES)})]
"""A name in the table. Forms offer them in a list."""


def find_objective(name: str, stated: Mapping[str, ObjectiveParams]) -> Objective:
    """Return a row of the table.

    Args:
        name: of the objective.
        stated: `training.objectives`, whose names are checked.

    Raises:
        ConfigError: there is no such objective, params.yaml names one that there is not, or it weighs an NLL that the
            objective does not have.
    """
    for where, stated_name in (("", name), *(("training.objectives: ", key) for key in stated)):
        if stated_name not in OBJECTIVES:
            raise ConfigError(where + unknown_name("objective", stated_name, OBJECTIVES))
    row = OBJECTIVES[name]
    alpha = stated[name].alpha if name in stated else None
    if alpha and row.nll_of is None:
        raise ConfigError(
            f"training.objectives.{name}.alpha: {alpha:g} weighs an NLL, and {name} has none; set it to 0"
        )
    return row


def find_rates(name: str, stated: Mapping[str, ObjectiveParams]) -> tuple[float, float]:
    """Return an objective's learning rate, and its alpha, which is 0 without an NLL.

    Args:
        name: of the objective, which is in the table.
        stated: `training.objectives`.

    Raises:
        ConfigError: params.yaml does not say.
    """
    given = stated.get(name, ObjectiveParams())
    needed = {"learning_rate": given.learning_rate}
    if OBJECTIVES[name].nll_of is not None:
        needed["alpha"] = given.alpha
    for key, value in needed.items():
        if value is None:
            raise ConfigError(
                f"training.objectives.{name}.{key}: is not in params.yaml; set it, such as "
                f"--set training.objectives.{name}.{key}={'1.0' if key == 'alpha' else '5e-6'}"
            )
    return float(given.learning_rate or 0.0), float(needed.get("alpha") or 0.0)


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
        pairs: how many there are; one without labels has K = 0.
        averaged: divide by the sum of the weights, which for weights of 0 and 1 is a mean over tokens.

    Returns:
        (pairs,)
    """
    terms = (logps - ref_logps) * weights
    zeros = terms.new_zeros(pairs)
    sums = zeros.index_add(0, pair, terms)
    if not averaged:
        return sums
    return sums / zeros.index_add(0, pair, weights.to(terms.dtype)).clamp(min=1)


def nll_loss(
    logps: "Tensor",
    weights: "Tensor",
    reduction: Literal["mean", "sum"],
    pairs: int,
) -> "Tensor":
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
