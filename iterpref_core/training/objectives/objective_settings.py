"""Find the values that hold for one objective: its row of the table, and its line in params.yaml."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from iterpref_core.records import OBJECTIVES, ConfigError, Objective, TrainingParams, is_unread, unknown_name

_READ = ("localization.", "model.chat_template_kwargs.", "model.prompt.", "training.")
"""The parameters, and the sections of parameters, that a training reads."""


@dataclass(frozen=True)
class ObjectiveSettings:
    """The values that hold for one objective.

    Attributes:
        name: its name.
        row: its row of the table.
        learning_rate: the largest of the schedule.
        alpha: the weight of the NLL; 0 without one.
        beta: the strength of the implicit KL penalty, or the loss's own use of that number; 0 without such a loss.
    """

    name: str
    row: Objective
    learning_rate: float
    alpha: float = 0.0
    beta: float = 0.0

    def deciding(self, params: TrainingParams) -> dict[str, Any]:
        """Return the values that decide a training, as JSON: the values for all objectives in `params`, and its own."""
        shared = params.model_dump(mode="json", exclude={"accelerate", "start", "objectives"})
        own = {"learning_rate": self.learning_rate, "alpha": self.alpha, "beta": self.beta}
        return shared | self.row.values() | own


def settings_of(name: str, params: TrainingParams) -> ObjectiveSettings:
    """Return the values that hold for an objective.

    Args:
        name: the objective's name.
        params: `training`.

    Raises:
        ConfigError: this objective is not in the table.
    """
    if name not in OBJECTIVES:
        raise ConfigError(unknown_name("objective", name, OBJECTIVES))
    return ObjectiveSettings(name, OBJECTIVES[name], **params.objectives[name].model_dump())


def check_given(keys: Iterable[str], name: str) -> None:
    """Refuse a value that is given for the training of one objective, and that this objective does not read.

    Args:
        keys: dotted, such as `training.beta`.
        name: the objective's.

    Raises:
        ConfigError: the training would be the same without a value.

    >>> check_given(["training.nll", "training.objectives.sft.alpha"], "sft")
    """
    for key in keys:
        if not f"{key}.".startswith(_READ) or is_unread(key, name):
            raise ConfigError(
                f"--set {key}: has no effect on a training with {name}; leave it out (a file of --params, which may "
                "serve several commands, can have it)"
            )
