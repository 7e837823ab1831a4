"""Settings of `FocalDPOTrainer`: TRL's `DPOConfig` with this project's additions, and the use of each of its fields."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any

import torch
from pydantic import TypeAdapter, ValidationError
from transformers import PreTrainedTokenizerBase, TrainingArguments
from trl import DPOConfig

from iterpref_core.records.config import TrainingParams
from iterpref_core.records.errors import ConfigError, InputError
from iterpref_core.training.model.passed_arguments import DPO_FIELDS, UNREAD_ARGUMENTS
from iterpref_core.training.objectives.objective_table import find_objective


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
        ConfigError: there is no such objective.
        InputError: a field has a value that the trainer does not use, or cannot take.

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
        check_value("objective", str, self.objective)
        find_objective(self.objective)
        check_fields(self)
        check_numbers(vars(self))


_CHECKED = ("alpha", "answer", "beta", "layout", "max_length", "max_margin", "max_prompt_length", "nll")
"""The settings that `params.yaml` has under the same names: a value that is refused there is refused here."""


def check_numbers(settings: Mapping[str, Any]) -> None:
    """Refuse a value that the command line refuses, too.

    Raises:
        ConfigError: the first such setting.
    """
    for name in _CHECKED:
        value = settings.get(name)
        if value is not None:  # no limit, or the value by default
            field = TrainingParams.model_fields[name]
            kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
            check_value(name, kind, value)


def check_value(where: str, kind: Any, value: Any) -> None:
    """Refuse a value of another type than a setting has, without conversion.

    Args:
        where: the setting, for the message.
        kind: its type.
        value: as given.

    Raises:
        ConfigError: the value cannot be taken.
    """
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise ConfigError(f"{where}: is {value!r}: {reason}; correct the value, or remove it") from None


def set_padding(tokenizer: PreTrainedTokenizerBase, token: str) -> None:
    """Give a tokenizer its padding token, by `pad_token` of a configuration.

    Raises:
        InputError: the vocabulary does not have it.
    """
    if token not in tokenizer.get_vocab():
        raise InputError(f"pad_token is {token!r}, which the vocabulary does not have; name a token of it")
    tokenizer.pad_token = token


def check_fields(args: TrainingArguments) -> None:
    """Refuse fields that are not used and have another value than by default.

    Args:
        args: the trainer's.

    Raises:
        InputError: the first such field.
    """
    for name, reason in UNREAD_ARGUMENTS.items():
        if getattr(args, name):
            raise InputError(f"{type(args).__name__}: {name} is not used: {reason}; remove it")
    if not isinstance(args, DPOConfig):
        return
    for name, usual in own_fields().items():
        value = getattr(args, name)
        if name not in DPO_FIELDS and value != usual:
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
