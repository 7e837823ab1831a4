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
        label: its name for readers.
        loss: the preference term; None for an objective without one.
        chosen: the tokens of y+ that count in K+.
        rejected: the tokens of y- that count in K-.
        nll_of: the program in the NLL; None for an objective without NLL.
        averaged: true if K+ and K- are means over the tokens that count; else they are sums.
        referenced: true if K+ and K- are relative to the reference; else they are log-probabilities themselves.
        counterpart: the same objective over all of y-, which the report compares it to.
        options: further arguments of the loss, with the values that hold where `training.objectives` states none.
    """

    label: str
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


def find_objective(name: str, stated: Mapping[str, ObjectiveParams]) -> Objective:
    """Return a row of the table, with the options of its loss that params.yaml states.

    Args:
        name: the objective's name.
        stated: `training.objectives`.

    Raises:
        ConfigError: this objective is not in the table, or params.yaml states something that has no effect on one.
    """
    if name not in OBJECTIVES:
        raise ConfigError(unknown_name("objective", name, OBJECTIVES))
    _check_stated(stated)
    row = OBJECTIVES[name]
    given = stated.get(name, ObjectiveParams())
    own = given.model_dump()
    options = {option: own.get(option, usual) for option, usual in row.options.items()}
    return replace(row, options=options, referenced=row.referenced and not given.reference_free)


def with_own_beta(name: str, params: TrainingParams) -> TrainingParams:
    """Return the settings with the beta of an objective: its own where it states one, else `training.beta`."""
    stated = params.objectives.get(name, ObjectiveParams())
    if stated.beta is None:
        return params
    return params.model_copy(update={"beta": stated.beta})


def _check_stated(stated: Mapping[str, ObjectiveParams]) -> None:
    """Refuse what changes nothing about an objective: a mistake that would not show in the loss."""
    for name, given in stated.items():
        effective = _effective(name)
        for setting, value in given.model_dump().items():
            if value and setting not in effective:  # an alpha of 0 says what is true
                raise ConfigError(
                    f"training.objectives.{name}.{setting}: has no effect on {name}; remove it; there are "
                    f"{', '.join(effective)}"
                )


def _effective(name: str) -> tuple[str, ...]:
    """Return the settings under `training.objectives` that change something about an objective."""
    row = OBJECTIVES[name]
    effective = ["learning_rate", *row.options]
    if row.nll_of is not None:
        effective.append("alpha")
    if row.preference:
        effective.append("beta")
    if row.scores_reference:
        effective.append("reference_free")
    return tuple(effective)


RATES = ("learning_rate", "nll_learning_rate", "alpha", "objectives")
"""The settings of `training` that `find_rates` resolves for an objective."""


def find_rates(name: str, params: TrainingParams) -> tuple[float, float]:
    """Return an objective's learning rate, and its alpha, which is 0 without an NLL.

    A value of its own under `training.objectives` comes before the one that `training` has for all objectives.

    Args:
        name: the name of an objective.
        params: `training`.
    """
    _check_stated(params.objectives)
    given = params.objectives.get(name, ObjectiveParams())
    of_all = settings_of_all(name)
    rate: float = given.learning_rate or getattr(params, of_all["learning_rate"])
    alpha = 0.0
    if "alpha" in of_all:
        alpha = params.alpha if given.alpha is None else given.alpha
    return rate, alpha


def settings_of_all(name: str) -> dict[str, str]:
    """Return the settings of `training` that hold for an objective where it states none of its own, by their own names.

    >>> settings_of_all("dpo"), settings_of_all("rpo")
    ({'learning_rate': 'learning_rate'}, {'learning_rate': 'nll_learning_rate', 'alpha': 'alpha'})
    """
    if OBJECTIVES[name].nll_of is not None:
        return {"learning_rate": "nll_learning_rate", "alpha": "alpha"}
    return {"learning_rate": "learning_rate"}
