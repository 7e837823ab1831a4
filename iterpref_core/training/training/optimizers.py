"""Optimizers and schedules: those that a training may have, built once on a stand-in before a model is loaded.

An optimizer or a schedule is listed where a training that was killed and resumed ends with the same weights, bit for
bit, as one that was not, and where the step is made when all gradients of the batch are there
(`tests/training/test_optimizers.py`). Any other is refused.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter, signature
from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau
from transformers import SchedulerType, Trainer, TrainingArguments
from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION, get_scheduler

from iterpref_core.records.errors import ConfigError, first_line, unknown_name

_WHERE = "params.yaml: training.arguments"
_BETAS = ("adam_beta1", "adam_beta2")
_ADAM = (*_BETAS, "adam_epsilon")

OPTIMIZERS: Mapping[str, tuple[str, ...]] = {
    "adamw_torch": _ADAM,
    "adamw_torch_fused": _ADAM,
    "adamw_8bit": _ADAM,
    "adamw_bnb_8bit": _ADAM,
    "paged_adamw_8bit": _ADAM,
    "paged_adamw_32bit": _ADAM,
    "ademamix": _ADAM,
    "ademamix_8bit": _ADAM,
    "paged_ademamix_8bit": _ADAM,
    "paged_ademamix_32bit": _ADAM,
    "lion_8bit": _BETAS,
    "lion_32bit": _BETAS,
    "paged_lion_8bit": _BETAS,
    "paged_lion_32bit": _BETAS,
    "adafactor": (),
    "adagrad": (),
    "rmsprop": (),
    "rmsprop_bnb": (),
    "rmsprop_bnb_8bit": (),
    "rmsprop_bnb_32bit": (),
    "sgd": (),
}
"""Optimizer → the arguments that begin with `adam_` and that it reads."""

SCHEDULES = (
    "linear",
    "cosine",
    "cosine_with_restarts",
    "cosine_with_min_lr",
    "cosine_warmup_with_min_lr",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
    "reduce_lr_on_plateau",
    "warmup_stable_decay",
)

_STEPS = ("num_decay_steps", "num_stable_steps", "timescale", "patience", "cooldown")
"""Options of schedules that count steps, or validations."""

_DECIDED = ("optimizer", "num_warmup_steps", "num_training_steps", "last_epoch", "mode")
"""Parameters of schedules that are no options; `mode: max` would follow the validation loss upwards."""

PLATEAU = "reduce_lr_on_plateau"
"""The schedule that follows the validation loss."""

_TRIED = 10_000
"""Steps of a schedule that are tried at most, evenly spread."""
_ROUNDING = 1e-9
_IDLE = 0.1
"""The share of steps without a learning rate that a schedule may have."""

_REFUSALS = (ValueError, TypeError, KeyError, ImportError, RuntimeError, AssertionError, ArithmeticError)
"""Errors by which transformers, PyTorch and bitsandbytes refuse an option."""


def check_choices(given: Mapping[str, Any]) -> None:
    """Refuse an optimizer or a schedule that is not listed, and numbers that it would not read.

    Args:
        given: `training.arguments`.

    Raises:
        ConfigError: a name is not listed, or a number is not read.
    """
    schedule = given.get("lr_scheduler_type", "cosine")
    _require_name("lr_scheduler_type", "schedule", schedule, SCHEDULES)
    optimizer = given.get("optim", "adamw_torch")
    _require_name("optim", "optimizer", optimizer, OPTIMIZERS)
    for name in _ADAM:
        if name in given and name not in OPTIMIZERS[optimizer]:
            raise ConfigError(f"{_WHERE}.{name}: {optimizer} does not read it; remove it")


def check_built(arguments: TrainingArguments) -> None:
    """Build optimizer and schedule on a stand-in for the model.

    Args:
        arguments: of the training.

    Raises:
        ConfigError: a package is missing, or an option is missing or has a value that cannot be taken.
    """
    options = arguments.lr_scheduler_kwargs or {}
    schedule = arguments.lr_scheduler_type.value
    if not isinstance(options, dict):
        raise ConfigError(f"{_WHERE}.lr_scheduler_kwargs: is {options!r}; give options and values, such as {{a: 1}}")
    known = schedule_options(schedule)
    for option, value in options.items():
        if option not in known:
            raise ConfigError(
                f"{_WHERE}.lr_scheduler_kwargs: {unknown_name(f'option of {schedule}', option, known or ['none'])}"
            )
        _check_number(option, value)
    for option, parameter in known.items():
        if option not in options and parameter.default is parameter.empty:
            raise ConfigError(f"{_WHERE}.lr_scheduler_kwargs: {schedule} needs {option}, such as {{{option}: 20}}")
    if arguments.learning_rate * arguments.weight_decay >= 1:
        raise ConfigError(
            f"{_WHERE}.weight_decay: is {arguments.weight_decay:g}, which at a learning rate of "
            f"{arguments.learning_rate:g} takes all of a weight away in one step; lower it"
        )
    stand_in = torch.nn.Linear(2, 2)
    try:
        make, settings = Trainer.get_optimizer_cls_and_kwargs(arguments, stand_in)
        groups = [{"params": list(stand_in.parameters()), "weight_decay": arguments.weight_decay}]
        optimizer = make(groups, **settings)
    except _REFUSALS as error:
        raise ConfigError(f"{_WHERE}.optim: {arguments.optim.value}: {first_line(error)}") from None
    steps = max(1, arguments.max_steps)
    try:
        get_scheduler(
            schedule,
            optimizer=optimizer,
            num_warmup_steps=arguments.get_warmup_steps(steps),
            num_training_steps=steps,
            scheduler_specific_kwargs=options,
        )
    except _REFUSALS as error:
        raise ConfigError(f"{_WHERE}.lr_scheduler_kwargs: {schedule}: {first_line(error)}; correct it") from None


def schedule_options(schedule: str) -> dict[str, Parameter]:
    """Return the options of a schedule in `lr_scheduler_kwargs`, as its function has them."""
    make: Callable[..., Any] = ReduceLROnPlateau
    if schedule != PLATEAU:
        make = TYPE_TO_SCHEDULER_FUNCTION[SchedulerType(schedule)]
    return {name: parameter for name, parameter in signature(make).parameters.items() if name not in _DECIDED}


def _check_number(option: str, value: Any) -> None:
    """Refuse a number of a schedule that is none; words, such as `decay_type`, the schedule checks itself.

    Raises:
        ConfigError: it is a text, not finite, negative, or a part of a step.
    """
    if option.endswith(("_type", "_mode")):
        return
    where = f"{_WHERE}.lr_scheduler_kwargs.{option}: is {value!r}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ConfigError(f"{where}; give a number that is finite and not negative")
    if option in _STEPS and value != int(value):
        raise ConfigError(f"{where}; give a whole number of steps")


def check_schedule(arguments: TrainingArguments, steps: int) -> None:
    """Try the learning rates of a training, once its length is known: none is beyond the rate that was asked for.

    Args:
        arguments: of the training, which `check_built` has taken.
        steps: of the training.

    Raises:
        ConfigError: the phases of the schedule do not fit into the training; or a rate is no number, is negative, is
            above `learning_rate`, or is 0 for more than a tenth of the training.
    """
    schedule = arguments.lr_scheduler_type.value
    if schedule == PLATEAU:
        return
    options: dict[str, Any] = arguments.lr_scheduler_kwargs or {}
    warmup = arguments.get_warmup_steps(steps)
    where = f"{_WHERE}.lr_scheduler_kwargs: {schedule}"
    if schedule == "warmup_stable_decay":
        stable = options.get("num_stable_steps") or 0
        decay = options["num_decay_steps"]
        if warmup + stable + decay > steps:
            raise ConfigError(
                f"{where}: a warm-up of {warmup:,}, num_stable_steps = {stable:,} and num_decay_steps = {decay:,} are "
                f"{warmup + stable + decay:,} steps, and the training has {steps:,}, so that it would end before its "
                "decay; lower them, or train longer"
            )
    stand_in = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=arguments.learning_rate)
    none = 0
    tried = range(0, steps, -(-steps // _TRIED))
    try:
        made = get_scheduler(
            schedule,
            optimizer=stand_in,
            num_warmup_steps=warmup,
            num_training_steps=steps,
            scheduler_specific_kwargs=options,
        )
        shares = [float(made.lr_lambdas[0](step)) for step in tried]
    except _REFUSALS as error:
        raise ConfigError(f"{where}: {first_line(error)}; correct its options") from None
    for step, share in zip(tried, shares, strict=True):
        if not 0 <= share <= 1 + _ROUNDING:
            raise ConfigError(
                f"{where}: its learning rate at step {step:,} of {steps:,} is {share * arguments.learning_rate:g}, "
                f"which is not between 0 and the rate of the training, {arguments.learning_rate:g}; correct its options"
            )
        none += share == 0
    if none > max(1, _IDLE * len(shares)):
        raise ConfigError(
            f"{where}: its learning rate is 0 in {none / len(shares):.0%} of the training's {steps:,} steps; correct "
            "its options"
        )


def _require_name(argument: str, kind: str, name: Any, listed: Iterable[str]) -> None:
    """Refuse a name that is not listed.

    Raises:
        ConfigError: it is another one.
    """
    if name not in listed:
        raise ConfigError(
            f"{_WHERE}.{argument}: {name} is no {kind} with which a killed training is known to end as one in one go; "
            f"there are {', '.join(listed)}"
        )
