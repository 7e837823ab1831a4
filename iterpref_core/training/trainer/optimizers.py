"""Optimizers and schedules: those that a training may have, tried once on a stand-in before a model is loaded.

`training/model/passed_arguments.py` lists them, with the reason.
"""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import torch
from transformers import Trainer, TrainingArguments
from transformers.optimization import get_scheduler

from iterpref_core.records.errors import ConfigError, first_line
from iterpref_core.training.model.passed_arguments import OPTIMIZERS, PLATEAU, SCHEDULES

_WHERE = "params.yaml: training.arguments"

_TRIED = 10_000
"""Steps of a schedule that are tried at most, evenly spread."""
_ROUNDING = 1e-9
_IDLE = 0.1
"""The share of the steps for which a schedule may stay at 0. Single steps do no harm: a cosine of several cycles is
0 at the start of its warm-up, and once in each cycle."""

_REFUSALS = (ValueError, TypeError, KeyError, ImportError, RuntimeError, AssertionError, ArithmeticError)
"""Errors by which transformers, PyTorch and bitsandbytes refuse an option."""


def check_choices(given: Mapping[str, Any]) -> None:
    """Refuse an optimizer or a schedule that is not listed.

    Args:
        given: `training.arguments`.

    Raises:
        ConfigError: a name is not listed.
    """
    for argument, listed in (("optim", OPTIMIZERS), ("lr_scheduler_type", SCHEDULES)):
        name = given.get(argument)
        if name is not None and name not in listed:
            raise ConfigError(
                f"{_WHERE}.{argument}: with {name} a killed training is not known to end as one in one go; "
                f"there are {', '.join(listed)}"
            )


def check_schedule(arguments: TrainingArguments, steps: int) -> None:
    """Build optimizer and schedule on a stand-in for the model, and try the learning rates of the whole training.

    Args:
        arguments: of the training.
        steps: of the training.

    Raises:
        ConfigError: a package is missing; or an option is missing, unknown or refused; or a rate is no number, is
            negative, is above `learning_rate`, or stays at 0 for more than a tenth of the training.
    """
    schedule = arguments.lr_scheduler_type.value
    where = f"{_WHERE}: optim: {arguments.optim.value}, lr_scheduler_type: {schedule}"
    stand_in = torch.nn.Linear(2, 2)
    try:
        make, options = Trainer.get_optimizer_cls_and_kwargs(arguments, stand_in)
        groups = [{"params": list(stand_in.parameters()), "weight_decay": arguments.weight_decay}]
        made: Any = get_scheduler(
            schedule,
            optimizer=make(groups, **options),
            num_warmup_steps=arguments.get_warmup_steps(steps),
            num_training_steps=steps,
            scheduler_specific_kwargs=arguments.lr_scheduler_kwargs,
        )
        tried = [] if schedule == PLATEAU else range(0, steps, -(-steps // _TRIED))
        shares = [float(made.lr_lambdas[0](step)) for step in tried]
    except _REFUSALS as error:
        raise ConfigError(
            f"{where}: {first_line(error)}; correct the option (lr_scheduler_kwargs for one of the schedule)"
        ) from None
    idle = max((len(list(run)) for share, run in groupby(shares) if share == 0), default=0)
    if idle > max(1, _IDLE * len(shares)) or not all(0 <= share <= 1 + _ROUNDING for share in shares):
        rates = [share * arguments.learning_rate for share in shares]
        raise ConfigError(
            f"{where}: over the training's {steps:,} steps the learning rate goes from {min(rates):g} to "
            f"{max(rates):g} and stays at 0 for {idle / len(shares):.0%} of them; it has to stay between 0 and "
            f"{arguments.learning_rate:g}, and not at 0; correct lr_scheduler_kwargs"
        )
