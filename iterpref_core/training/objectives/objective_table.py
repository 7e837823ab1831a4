"""Objective table: one loss, and a row for each of its variants.

IterPref's loss (arXiv 2503.02783, section 3.3) and its baselines differ in which tokens count:

    K+ = sum_t w+_t (log pi - log pi_ref)(y+_t)        K- = sum_t w-_t (log pi - log pi_ref)(y-_t)
    L  = -log sigmoid(beta (K+ - K-)) + alpha * NLL(y+)

DPO weighs every token of both programs; the focal objectives weigh all of y+ but of y- only the error region D-. The
paper's ablations weigh D- in one half of each batch (Hybrid), or of y+ too only the part that the fix changed
(Symmetric).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from iterpref_core.records.config import ObjectiveParams, TrainingParams
from iterpref_core.records.errors import ConfigError, unknown_name
from iterpref_core.training.objectives.losses import (
    PreferenceLoss,
    apo_zero_loss,
    cautious_loss,
    hinge_loss,
    ipo_loss,
    orpo_loss,
    robust_loss,
    sigmoid_loss,
    simpo_loss,
)

Tokens = Literal["all", "focal"]
"""The tokens of a program that count: all of them, or those of its error region (of y+, those that the fix changed)."""

HALF: Literal["half focal"] = "half focal"
"""All tokens of the rejected program in one half of every batch, those of its error region in the other."""


@dataclass(frozen=True)
class Objective:
    """A row of the table: a loss, and the tokens that count in it.

    Attributes:
        title: its name for readers.
        loss: the preference term; None for an objective without one.
        chosen: the tokens of y+ that count in K+.
        rejected: the tokens of y- that count in K-.
        nll_of: the program in the NLL; None for an objective without NLL.
        averaged: true if K+ and K- are means over the tokens that count; else they are sums.
        referenced: true if K+ and K- are relative to the reference; else they are log-probabilities themselves.
        counterpart: the same objective over all of y-, which the report compares it to.
        options: further arguments of the loss, with the values that hold where `training.objectives` states none.
    """

    title: str
    loss: PreferenceLoss | None = None
    chosen: Tokens = "all"
    rejected: Literal["all", "focal", "half focal"] = "all"
    nll_of: Literal["chosen", "rejected"] | None = None
    averaged: bool = False
    referenced: bool = True
    counterpart: str | None = None
    options: Mapping[str, float] = field(default_factory=dict)

    @property
    def preference(self) -> bool:
        """Return True if there is a preference term, and so a rejected program."""
        return self.loss is not None

    @property
    def scores_reference(self) -> bool:
        """Return True if the reference has to be scored."""
        return self.preference and self.referenced

    @property
    def regional(self) -> bool:
        """Return True if the objective reads error regions."""
        return self.preference and {self.chosen, self.rejected} != {"all"}

    @property
    def focal(self) -> bool:
        """Return True for the paper's method: all of y+ is pulled up, and of y- the error region alone pushed down."""
        return self.chosen == "all" and self.rejected == "focal"

    @property
    def unread(self) -> tuple[str, ...]:
        """Return the names of the trainer's settings that change nothing about the objective."""
        of_nll = () if self.nll_of else ("alpha",)
        return of_nll if self.preference else (*of_nll, "beta", "max_margin")

    def is_regional_for(self, half: int) -> bool:
        """Return True if of y- the error region alone counts, in this half of a batch: 0 or 1."""
        return self.rejected == "focal" or (self.rejected == HALF and half == 1)

    def values(self) -> dict[str, Any]:
        """Return the values that decide a training, as JSON. A loss has its name; its code counts in `code_digest`."""
        decisive = ("chosen", "rejected", "nll_of", "averaged", "referenced")
        values: dict[str, Any] = {name: getattr(self, name) for name in decisive}
        values["loss"] = self.loss and self.loss.__name__
        return values | dict(self.options)


_FLIPPED = {"label_smoothing": 0.1}
"""The share of flipped pairs of robust DPO's experiments (arXiv 2403.00409)."""

_MARGIN = {"gamma": 0.5}
"""SimPO's margin; the value is TRL's."""

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
    "cdpo": Objective("cDPO", cautious_loss, options=_FLIPPED),
    "target-cdpo": Objective("Target-cDPO", cautious_loss, rejected="focal", counterpart="cdpo", options=_FLIPPED),
    "robust": Objective("Robust DPO", robust_loss, options=_FLIPPED),
    "target-robust": Objective(
        "Target-robust",
        robust_loss,
        rejected="focal",
        counterpart="robust",
        options=_FLIPPED,
    ),
    "apo-zero": Objective("APO-zero", apo_zero_loss),
    "target-apo-zero": Objective("Target-APO-zero", apo_zero_loss, rejected="focal", counterpart="apo-zero"),
    "simpo": Objective("SimPO", simpo_loss, averaged=True, referenced=False, options=_MARGIN),
    "target-simpo": Objective(
        "Target-SimPO",
        simpo_loss,
        rejected="focal",
        averaged=True,
        referenced=False,
        counterpart="simpo",
        options=_MARGIN,
    ),
    "orpo": Objective("ORPO", orpo_loss, nll_of="chosen", averaged=True, referenced=False),
    "target-orpo": Objective(
        "Target-ORPO",
        orpo_loss,
        rejected="focal",
        nll_of="chosen",
        averaged=True,
        referenced=False,
        counterpart="orpo",
    ),
}
"""RPO is DPO with an NLL; SFT has the NLL alone. Learning rates, alphas and other options stand in params.yaml.

The data decide the tokens of an error region: token-level and prefix-suffix diff are other localizers, and
Diff-Augmentation is `localization.widen_lines`. Code-Optimise's DPO and RPO are `dpo` and `rpo` on pairs from sampling.
"""


RESOLVED = ("learning_rate", "nll_learning_rate", "alpha", "beta", "objectives")
"""The settings of `training` of which `settings_of` says which value holds for an objective."""


@dataclass(frozen=True)
class ObjectiveSettings:
    """The values that hold for one objective.

    Attributes:
        name: its name.
        row: its row of the table, with the options of its loss.
        learning_rate: the largest of the schedule.
        alpha: the weight of the NLL; 0 without one.
        beta: the strength of the implicit KL penalty, or the loss's own use of that number.
    """

    name: str
    row: Objective
    learning_rate: float
    alpha: float
    beta: float

    def values(self) -> dict[str, Any]:
        """Return the values that decide a training, as JSON."""
        return self.row.values() | {"learning_rate": self.learning_rate, "alpha": self.alpha, "beta": self.beta}


def find_objective(name: str) -> Objective:
    """Return a row of the table.

    Raises:
        ConfigError: there is no such objective.
    """
    if name not in OBJECTIVES:
        raise ConfigError(unknown_name("objective", name, OBJECTIVES))
    return OBJECTIVES[name]


def settings_of(name: str, params: TrainingParams) -> ObjectiveSettings:
    """Return the values that hold for an objective: its own of `training.objectives`, else those of `training`.

    Args:
        name: the objective's name.
        params: `training`.

    Raises:
        ConfigError: this objective is not in the table, or params.yaml states something that has no effect on one.
    """
    row = find_objective(name)
    _check_stated(params.objectives)
    own = params.objectives.get(name, ObjectiveParams()).model_dump()
    of_all = parameters_of(name)
    alpha = own.get("alpha", params.alpha) if "alpha" in of_all else 0.0
    options = {option: own.get(option, usual) for option, usual in row.options.items()}
    referenced = row.referenced and not own.get("reference_free")
    return ObjectiveSettings(
        name=name,
        row=replace(row, options=options, referenced=referenced),
        learning_rate=own.get("learning_rate", getattr(params, of_all["learning_rate"])),
        alpha=alpha,
        beta=own.get("beta", params.beta),
    )


def parameters_of(name: str) -> dict[str, str]:
    """Return an objective's settings in `training`, as dvc.yaml lists them, each by the quantity that it decides.

    >>> parameters_of("dpo")
    {'learning_rate': 'learning_rate', 'beta': 'beta'}
    >>> parameters_of("rpo")
    {'learning_rate': 'nll_learning_rate', 'alpha': 'alpha', 'beta': 'beta'}
    """
    row = OBJECTIVES[name]
    read = {"learning_rate": "nll_learning_rate" if row.nll_of else "learning_rate"}
    return read | {name: name for name in ("alpha", "beta") if name not in row.unread}


def _check_stated(stated: Mapping[str, ObjectiveParams]) -> None:
    """Refuse a setting that changes nothing about an objective: a mistake that would not show in the loss."""
    for name, given in stated.items():
        row = OBJECTIVES[name]
        effective = [*parameters_of(name), *row.options]
        if row.scores_reference:
            effective.append("reference_free")
        for setting, value in given.model_dump().items():
            if value and setting not in effective:  # an alpha of 0 says what is true
                raise ConfigError(
                    f"training.objectives.{name}.{setting}: has no effect on {name}; remove it; there are "
                    f"{', '.join(effective)}"
                )
