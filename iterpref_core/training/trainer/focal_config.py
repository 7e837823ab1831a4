"""Settings of `FocalDPOTrainer`: TRL's `DPOConfig` with this project's additions, and the use of each of its fields."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from types import NoneType
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
        check_numbers(vars(self))
        check_fields(self)


SHARED = ("alpha", "answer", "beta", "layout", "max_length", "max_margin", "max_prompt_length", "nll")
"""The settings that `params.yaml` has under the same names: a value that is refused there is refused here."""


def check_numbers(settings: Mapping[str, Any]) -> None:
    """Refuse a value that the command line refuses, too.

    Raises:
        ConfigError: the first such setting.
    """
    for name in SHARED:
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


def check_number(where: str, value: Any) -> None:
    """Refuse a number below 0 or without end, and 0 for a size or for a number of steps.

    Args:
        where: the argument, for the message.
        value: as given; anything but a number is taken.

    Raises:
        ConfigError: the value cannot be taken.
    """
    if not isinstance(value, int | float):
        return
    if not 0 <= value < math.inf:
        raise ConfigError(f"{where}: is {value}; give a finite number, 0 or more")
    if value == 0 and where.endswith(("_steps", "batch_size")):
        raise ConfigError(f"{where}: is 0; give a number above 0")


def check_kind(where: str, value: Any, *kinds: type) -> None:
    """Refuse an argument of another class.

    Args:
        where: the argument, for the message.
        value: as given.
        kinds: the classes that it may have.

    Raises:
        InputError: it has none of them.
    """
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds if kind is not NoneType)
        raise InputError(f"{where} is a {type(value).__name__}; give a {wanted}")


def padding_of(tokenizer: PreTrainedTokenizerBase, args: TrainingArguments) -> int:
    """Return the token that fills rows, which `pad_token` of a configuration may name; without one the end token.

    Raises:
        InputError: the vocabulary does not have it, or there is none.
    """
    named = args.pad_token if isinstance(args, DPOConfig) else None
    if named is not None:
        if named not in tokenizer.get_vocab():
            raise InputError(f"pad_token is {named!r}, which the vocabulary does not have; name a token of it")
        tokenizer.pad_token = named
    padding: int | None = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    if padding is None:
        raise InputError("the tokenizer has neither a pad_token nor an eos_token to fill rows with; give it one")
    return padding


def check_fields(args: TrainingArguments) -> None:
    """Refuse fields that are not used and have another value than by default, and numbers out of range.

    Args:
        args: the trainer's.

    Raises:
        InputError: the first such field.
    """
    for name, reason in UNREAD_ARGUMENTS.items():
        if getattr(args, name):
            raise InputError(f"{type(args).__name__}: {name} is not used: {reason}; remove it")
    for each in fields(args):
        value = getattr(args, each.name)
        if value != usual_value(each):
            check_number(f"{type(args).__name__}: {each.name}", value)
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
            found[each.name] = usual_value(each)
    found["pad_to_multiple_of"] = None  # of which TRL makes "auto"
    return found


def usual_value(field: Field[Any]) -> Any:
    """Return the value of a field by default."""
    return field.default if field.default_factory is MISSING else field.default_factory()
