"""Preference objectives: one loss, and the table of its variants.

IterPref's loss (arXiv 2503.02783, section 3.3) and its baselines differ in which tokens count:

    K+ = sum_t w+_t (log pi - log pi_ref)(y+_t)        K- = sum_t w-_t (log pi - log pi_ref)(y-_t)
    L  = -log sigmoid(beta (K+ - K-)) + alpha * NLL(y+)

DPO weighs every token of both programs; the focal objectives weigh all of y+ but of y- only the error region D-. The
paper's ablations weigh D- in one half of each batch (Hybrid), or of y+ too only what the fix changed (Symmetric).

PyTorch is imported where it is computed with: command lines, forms and the report read the table, and start without it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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


def sigmoid_loss(chosen_logratio: "Tensor", rejected_logratio: "Tensor", beta: float) -> "Tensor":
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


@dataclass(frozen=True)
class Objective:
    """A row of the table: all that is known of an objective.

    Attributes:
        label: its name for readers.
        learning_rate: what it trains with unless `training.objectives` in params.yaml says otherwise.
        loss: the preference term; None for an objective without one.
        chosen: which tokens of y+ count in K+.
        rejected: which of y- count in K-.
        nll_of: the program that is in the NLL; None where there is no NLL.
        alpha: the weight of the NLL, unless params.yaml says otherwise.
        counterpart: the same objective over all of y-, which the report compares it to.
    """

    label: str
    learning_rate: float
    loss: PreferenceLoss | None = None
    chosen: Tokens = "all"
    rejected: Literal["all", "focal", "half focal"] = "all"
    nll_of: Literal["chosen", "rejected"] | None = None
    alpha: float = 0.0
    counterpart: str | None = None

    @property
    def preference(self) -> bool:
        """Whether there is a preference term, and so a rejected program and a reference to score."""
        return self.loss is not None

    @property
    def regional(self) -> bool:
        """Whether it needs to know where the error is."""
        return self.preference and {self.chosen, self.rejected} != {"all"}

    @property
    def focal(self) -> bool:
        """Whether it is the paper's method: all of y+ is pulled up, and of y- the error region alone pushed down."""
        return self.chosen == "all" and self.rejected == "focal"

    def values(self) -> dict[str, Any]:
        """What decides a training, as JSON. The loss goes by its name: its code counts in `storage.code_digest`."""
        decisive = ("learning_rate", "chosen", "rejected", "nll_of", "alpha")
        return {name: getattr(self, name) for name in decisive} | {"loss": self.loss and self.loss.__name__}


OBJECTIVES: dict[str, Objective] = {
    "sft": Objective("SFT on chosen", 3e-4, nll_of="chosen", alpha=20.0),
    "dpo": Objective("DPO", 5e-6, sigmoid_loss),
    "rpo": Objective("RPO", 3e-4, sigmoid_loss, nll_of="chosen", alpha=20.0),
    "target-dpo": Objective("Target-DPO", 5e-6, sigmoid_loss, rejected="focal", counterpart="dpo"),
    "target-rpo": Objective(
        "Target-RPO", 3e-4, sigmoid_loss, rejected="focal", nll_of="chosen", alpha=20.0, counterpart="rpo"
    ),
    "sft-rejected": Objective("SFT-rejected", 3e-4, nll_of="rejected", alpha=20.0),
    "hybrid-dpo": Objective("Hybrid-DPO", 5e-6, sigmoid_loss, rejected=HALF),
    "hybrid-rpo": Objective("Hybrid-RPO", 3e-4, sigmoid_loss, rejected=HALF, nll_of="chosen", alpha=20.0),
    "symmetric-dpo": Objective("Symmetric-DPO", 5e-6, sigmoid_loss, chosen="focal", rejected="focal"),
    "symmetric-rpo": Objective(
        "Symmetric-RPO", 3e-4, sigmoid_loss, chosen="focal", rejected="focal", nll_of="chosen", alpha=20.0
    ),
}
"""RPO is DPO with an NLL; SFT has the NLL alone. Rates and alphas are those of docs/tuning.md, for the embedded model.

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
    """A row of the table, with what params.yaml states in place of its defaults.

    Args:
        name: of the objective.
        stated: `training.objectives`.

    Raises:
        ConfigError: there is no such objective, params.yaml names one that there is not, or it weighs an NLL that the
            objective does not have.
    """
    for where, stated_name in (("", name), *(("training.objectives: ", key) for key in stated)):
        if stated_name not in OBJECTIVES:
            raise ConfigError(where + unknown_name("objective", stated_name, OBJECTIVES))
    row = OBJECTIVES[name]
    values = stated[name].model_dump() if name in stated else {}
    if values.get("alpha") and row.nll_of is None:
        raise ConfigError(
            f"training.objectives.{name}.alpha: {values['alpha']:g} weighs an NLL, and {name} has none; set it to 0"
        )
    return replace(row, **values)


def sequence_logratio(logps: "Tensor", ref_logps: "Tensor", weights: "Tensor", pair: "Tensor", pairs: int) -> "Tensor":
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


def nll_loss(logps: "Tensor", weights: "Tensor", reduction: Literal["mean", "sum"], pairs: int) -> "Tensor":
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
