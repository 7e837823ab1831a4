"""Find the values that hold for one objective: its row of the table, and its hyperparameters in params.yaml."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from iterpref_core.records import OBJECTIVES, ConfigError, Objective, ObjectiveParams, TrainingParams, unknown_name

RESOLVED = ("learning_rate", "nll_learning_rate", "alpha", "beta", "objectives")
"""The settings of `training` that `settings_of` resolves for an objective."""


@dataclass(frozen=True)
class ObjectiveSettings:
    """The values that hold for one objective.

    Attributes:
        name: its name.
        row: its row of the table.
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


def settings_of(name: str, params: TrainingParams) -> ObjectiveSettings:
    """Return the values that hold for an objective: its own in `training.objectives`, else the values of `training`.

    Args:
        name: the objective's name.
        params: `training`.

    Raises:
        ConfigError: this objective is not in the table, or params.yaml states something that has no effect on one.
    """
    if name not in OBJECTIVES:
        raise ConfigError(unknown_name("objective", name, OBJECTIVES))
    _check_stated(params.objectives)
    stated = params.objectives.get(name, ObjectiveParams()).model_dump()
    # The names that an objective reads: SFT has no beta, DPO no alpha.
    of_all = parameters_of(name)
    alpha = stated.get("alpha", params.alpha) if "alpha" in of_all else 0.0
    return ObjectiveSettings(
        name=name,
        row=OBJECTIVES[name],
        learning_rate=stated.get("learning_rate", getattr(params, of_all["learning_rate"])),
        alpha=alpha,
        beta=stated.get("beta", params.beta),
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


def check_given(name: str, params: TrainingParams, given: Collection[str]) -> None:
    """Refuse a value of a command in whose place the objective reads another one.

    SFT reads `training.nll_learning_rate`: `training.learning_rate` alone would change nothing. Values for several
    objectives have both, and may have a beta, which SFT does not read.

    Args:
        name: the objective's name.
        params: `training`, with these values.
        given: their keys, such as `training.learning_rate`.

    Raises:
        ConfigError: a value has no effect.
    """
    stated = params.objectives.get(name, ObjectiveParams()).model_dump()
    for quantity, setting in parameters_of(name).items():
        read = f"training.objectives.{name}.{quantity}" if quantity in stated else f"training.{setting}"
        without_effect = {f"training.{quantity}", f"training.nll_{quantity}"}.intersection(given)
        if without_effect and read not in given:
            raise ConfigError(f"{min(without_effect)}: has no effect on {name}, which reads {read}; set that")


def _check_stated(stated: Mapping[str, ObjectiveParams]) -> None:
    """Refuse a setting without an effect on an objective: a mistake that would not show in the loss."""
    for name, given in stated.items():
        effective = parameters_of(name)
        for setting, value in given.model_dump().items():
            # An alpha of 0 is true of an objective without an NLL.
            if value and setting not in effective:
                raise ConfigError(
                    f"training.objectives.{name}.{setting}: has no effect on {name}; remove it; there are "
                    f"{', '.join(effective)}"
                )
