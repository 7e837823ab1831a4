"""Settings of `FocalDPOTrainer`: TRL's `DPOConfig` with what this project adds, and the use of each of its fields."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_args

import torch
from transformers import TrainingArguments
from trl import DPOConfig

from iterpref_core.records.config import AnswerFormat, Layout
from iterpref_core.records.errors import InputError
from iterpref_core.training.objectives.objective_table import Objective, find_objective


@dataclass
class FocalDPOConfig(DPOConfig):
    r"""TRL's `DPOConfig`, with the objective in place of `loss_type`.

    Fields of `DPOConfig` are used as TRL uses them, or refused if they have another value than by default
    (docs/trl.md has the table). Where nothing is said of `bf16`, a GPU computes in bfloat16, and a CPU does not.

    Args:
        objective: a name in `OBJECTIVES`.
        alpha: weight of the NLL, of an objective that has one.
        layout: how pairs are laid out in rows; `fork` becomes `padded` where the model is not known to be exact so.
        nll: reduction of the NLL, over the batch's tokens (`mean`) or each program's (`sum`).
        max_margin: a mean reward margin beyond it ends training; 0 for no limit.
        max_prompt_length: tokens of a prompt, which loses its start beyond; None: half of `max_length`.
        answer: the form of an answer: the program alone (`bare`), or in a fence (`fenced`).

    Raises:
        InputError: a field has a value that the trainer does not use.

    >>> args = FocalDPOConfig(str(folder), objective="target-rpo", beta=0.2)
    >>> args.objective, args.beta, args.max_length
    ('target-rpo', 0.2, 1024)
    """

    objective: str = "target-dpo"
    alpha: float = 1.0
    layout: str = "padded"
    nll: str = "mean"
    max_margin: float = 0.0
    max_prompt_length: int | None = None
    answer: str = "bare"

    def __post_init__(self) -> None:
        if getattr(self, "bf16", None) is None and (self.use_cpu or not torch.cuda.is_available()):
            self.bf16 = False
        super().__post_init__()
        objective_of_pairs(self.objective)
        check_fields(self)
        check_choices(vars(self))


USED = frozenset(
    {
        "beta",
        "max_length",
        "model_init_kwargs",
        "pad_token",
        "precompute_ref_batch_size",
        "precompute_ref_log_probs",  # references are always computed before training
    }
)
"""The fields of `DPOConfig` that are used, besides those of `TrainingArguments`."""

_CHOICES = {"layout": get_args(Layout), "nll": ("mean", "sum"), "answer": get_args(AnswerFormat)}


def check_choices(settings: Mapping[str, Any]) -> None:
    """Refuse a value that is not among the choices of a setting.

    Raises:
        InputError: the first such setting.
    """
    for name, choices in _CHOICES.items():
        if name in settings and settings[name] not in choices:
            raise InputError(f"{name} is {settings[name]!r}; give one of {', '.join(choices)}")


def objective_of_pairs(objective: Objective | str) -> Objective:
    """Return a row of the table of objectives.

    Raises:
        ConfigError: there is no such name.
    """
    return find_objective(objective) if isinstance(objective, str) else objective


def check_fields(args: TrainingArguments) -> None:
    """Refuse fields of `DPOConfig` that are not used and have another value than by default.

    Args:
        args: the trainer's; of `TrainingArguments` nothing is looked at.

    Raises:
        InputError: the first such field.
    """
    if not isinstance(args, DPOConfig):
        return
    for name, usual in own_fields().items():
        value = getattr(args, name)
        if name not in USED and value != usual:
            raise InputError(
                f"{type(args).__name__}: {name} = {value!r} is not used: the objective, the layout or the reference, "
                "which does not change, decides it (docs/trl.md); remove it"
            )


def own_fields() -> dict[str, Any]:
    """Return the fields of `DPOConfig` that `TrainingArguments` does not have, with their values by default."""
    others = {each.name for each in fields(TrainingArguments)}
    found: dict[str, Any] = {}
    for each in fields(DPOConfig):
        if each.name not in others:
            found[each.name] = each.default if each.default_factory is MISSING else each.default_factory()
    found["pad_to_multiple_of"] = None  # of which TRL makes "auto"
    return found
