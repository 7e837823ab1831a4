"""Settings of the trainer, from `TrainingParams`."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import torch
from pydantic import TypeAdapter, ValidationError
from transformers import TrainingArguments
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK
from transformers.training_args import trainer_log_levels

from iterpref_core.records.config import TrainingParams
from iterpref_core.records.errors import ConfigError, first_line, unknown_name
from iterpref_core.training.data.steps import training_steps
from iterpref_core.training.model.policy import lora_config
from iterpref_core.training.training.argument_lists import check_names
from iterpref_core.training.training.optimizers import PLATEAU, check_built, check_choices

_POINTS = 20
"""Points of a curve, unless `logging_steps` says how many."""
_SAVES = 8
"""Checkpoints of a training, unless `save_steps` says how many."""
_KEPT = 2
"""Checkpoints that are kept: the newest may not be whole yet."""
_NAMED = ("report_to", "optim", "lr_scheduler_type")
"""Arguments that transformers has no meaning of null for."""
_LEVELS = ("log_level", "log_level_replica")
_COUNTED = ("max_steps", "logging_steps", "save_steps")
"""Arguments whose own checks say which numbers they take."""
_WHERE = "params.yaml: training.arguments"


def check_settings(params: TrainingParams, learning_rate: float) -> None:
    """Refuse options of PEFT and of transformers that cannot be taken, before a model is loaded.

    Args:
        params: the section `training`.
        learning_rate: the objective's.

    Raises:
        ConfigError: a name is unknown or decided elsewhere, or a value is none that the library takes.
    """
    check_data_arguments(params)
    check_made(training_arguments(params, learning_rate, 1, params.batch_size, Path("unused")))


def check_data_arguments(params: TrainingParams) -> None:
    """Refuse options that no trainer of a file of rows can take.

    Raises:
        ConfigError: as for `check_settings`.
    """
    lora_config(params)
    check_arguments(params.arguments)
    if params.arguments.get("lr_scheduler_type") == PLATEAU and not params.validation_share:
        raise ConfigError(
            f"{_WHERE}.lr_scheduler_type: {PLATEAU} follows the validation loss, and nothing is held out; set "
            "training.validation_share, or another schedule"
        )
    if params.arguments.get("save_strategy") == "no" and params.select == "best":
        raise ConfigError(f"{_WHERE}.save_strategy: no saves nothing that training.select: best can choose; remove it")


def check_arguments(given: Mapping[str, Any]) -> None:
    """Refuse arguments that are not passed through, and values of another type than transformers has for them.

    Args:
        given: `training.arguments`.

    Raises:
        ConfigError: a name or a value cannot be taken.
    """
    check_names(given)
    for name, value in given.items():
        _check_value(name, value)
    check_choices(given)
    limit = given.get("max_steps", 1)
    if limit < 1:
        raise ConfigError(f"{_WHERE}.max_steps: is {limit}; give at least one step, or remove it to train all epochs")
    _check_saving(given)


def _check_value(name: str, value: Any) -> None:
    """Refuse a value of another type than transformers has for an argument, and a number that no argument can have.

    Raises:
        ConfigError: the value cannot be taken.
    """
    try:
        TypeAdapter(get_type_hints(TrainingArguments)[name]).validate_python(value, strict=True)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise ConfigError(f"{_WHERE}.{name}: is {value!r}: {reason}; correct the value, or remove it") from None
    if value is None and name in _NAMED:
        raise ConfigError(f"{_WHERE}.{name}: is null; give a value, or remove it")
    if name in _LEVELS and value not in trainer_log_levels:
        raise ConfigError(f"{_WHERE}.{name}: {unknown_name('level', str(value), trainer_log_levels)}")
    if isinstance(value, int | float) and name not in _COUNTED and not 0 <= value < math.inf:
        raise ConfigError(f"{_WHERE}.{name}: is {value!r}; give a number that is finite and not negative")


def _check_saving(given: Mapping[str, Any]) -> None:
    """Refuse checkpoints from which a killed training could not resume.

    Raises:
        ConfigError: they are saved by something else than steps, or too few are kept.
    """
    if given.get("save_strategy", "steps") not in ("steps", "no"):
        raise ConfigError(
            f"{_WHERE}.save_strategy: is {given['save_strategy']}; checkpoints are saved by steps (save_steps), or "
            "`no` saves none; for the best of them set training.select: best"
        )
    kept = given.get("save_total_limit")
    if kept is not None and kept < _KEPT:
        raise ConfigError(
            f"{_WHERE}.save_total_limit: is {kept}, and an older checkpoint goes before the newest is whole; keep "
            f"{_KEPT} or more"
        )


def check_made(arguments: TrainingArguments) -> None:
    """Refuse arguments whose services, optimizer or schedule cannot be made here.

    Raises:
        ConfigError: one is unknown, its package is not installed, or an option of it is missing or wrong.
    """
    _check_services(arguments)
    check_built(arguments)


def _check_services(arguments: TrainingArguments) -> None:
    """Refuse services in `report_to` that transformers does not know or cannot reach.

    Raises:
        ConfigError: one is unknown, or its package is not installed.
    """
    where = "params.yaml: training.arguments.report_to"
    for name in arguments.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            raise ConfigError(f"{where}: {unknown_name('service', name, INTEGRATION_TO_CALLBACK)}")
        try:
            INTEGRATION_TO_CALLBACK[name]()
        except (RuntimeError, ImportError) as error:
            raise ConfigError(f"{where}: {first_line(error)}") from None


def training_arguments(
    params: TrainingParams,
    learning_rate: float,
    accumulation: int,
    pairs: int,
    folder: Path,
) -> TrainingArguments:
    """Return the trainer's arguments.

    Args:
        params: settings, checked by `check_settings`.
        learning_rate: the objective's.
        accumulation: micro-batches that this process computes for one batch.
        pairs: to train on.
        folder: for checkpoints.
    """
    return _transformers_arguments(params, **data_arguments(params, learning_rate, accumulation, pairs, folder))


def data_arguments(
    params: TrainingParams, learning_rate: float, accumulation: int, rows: int, folder: Path
) -> dict[str, Any]:
    """Return the project's own arguments of a trainer that reads a file of rows, for some epochs, with validation.

    Args:
        params: settings, with `bf16` decided.
        learning_rate: the objective's.
        accumulation: micro-batches that this process computes for one batch.
        rows: to train on.
        folder: for checkpoints.
    """
    shared = shared_arguments(
        params,
        learning_rate=learning_rate,
        accumulation=accumulation,
        steps=training_steps(params, rows),
        folder=folder,
    )
    return shared | {
        "num_train_epochs": params.epochs,
        "eval_strategy": "steps" if params.validation_share else "no",
        "eval_steps": shared["save_steps"],
        "per_device_eval_batch_size": params.micro_batch_size,
        "metric_for_best_model": "loss" if params.select == "best" else None,
        "greater_is_better": False if params.select == "best" else None,
    }


def shared_arguments(
    params: TrainingParams, *, learning_rate: float, accumulation: int, steps: int, folder: Path
) -> dict[str, Any]:
    """Return the project's own arguments of every trainer, for pairs and for GRPO.

    Args:
        params: settings, with `bf16` decided.
        learning_rate: the objective's.
        accumulation: micro-batches that this process computes for one batch.
        steps: optimizer steps of the training.
        folder: for checkpoints.
    """
    log_every, save_every = _intervals(params.arguments, steps)
    return {
        "output_dir": str(folder),
        "learning_rate": learning_rate,
        "per_device_train_batch_size": params.micro_batch_size,
        "gradient_accumulation_steps": accumulation,
        "lr_scheduler_type": "cosine",
        "warmup_steps": int(params.warmup_ratio * steps),
        "max_grad_norm": params.max_grad_norm,
        "bf16": params.bf16 is True,
        "activation_checkpointing": params.gradient_checkpointing,
        "seed": params.seed,
        "data_seed": params.seed,
        "logging_steps": log_every,
        "save_strategy": "steps",
        "save_steps": save_every,
        "save_total_limit": _KEPT,
        "ddp_find_unused_parameters": False,
        "logging_nan_inf_filter": False,  # a loss that is not finite ends training
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }


def _intervals(given: Mapping[str, Any], steps: int) -> tuple[int, int]:
    """Return the steps between two rows of the curve, and those between two checkpoints.

    The second is a multiple of the first: then no row's mean covers steps of two runs, where one was killed.

    Args:
        given: `training.arguments`.
        steps: of the training.

    Raises:
        ConfigError: the second, as given, is no multiple of the first.

    >>> _intervals({}, 400), _intervals({"save_steps": 0.1}, 400), _intervals({"save_steps": 7}, 400)
    ((20, 40), (20, 40), (7, 7))
    """
    log_every = max(1, steps // _POINTS)
    if "logging_steps" in given:
        log_every = _whole_steps("logging_steps", given, steps)
    if "save_steps" not in given:
        return log_every, log_every * max(1, steps // (_SAVES * log_every))
    save_every = _whole_steps("save_steps", given, steps)
    if "logging_steps" not in given:
        log_every = max(rows for rows in range(1, log_every + 1) if save_every % rows == 0)
    elif save_every % log_every:
        raise ConfigError(
            f"{_WHERE}.save_steps: {save_every} steps are no multiple of logging_steps = {log_every}, and a row of the "
            "curve must not cover steps of two runs; change one of them"
        )
    return log_every, save_every


def _whole_steps(name: str, given: Mapping[str, Any], steps: int) -> int:
    """Return a number of steps that is given as such, or below 1 as a share of all steps.

    Raises:
        ConfigError: it is neither.
    """
    value: float = given[name]
    if 0 < value < 1:
        return max(1, math.ceil(value * steps))
    if not math.isfinite(value) or value < 1 or value != int(value):
        raise ConfigError(f"{_WHERE}.{name}: is {value}; give a number of steps, or a share of all steps below 1")
    return int(value)


def _transformers_arguments(params: TrainingParams, **decided: Any) -> TrainingArguments:
    """Return the project's own arguments with those of `training.arguments` in their place.

    Raises:
        ConfigError: transformers refuses a value.
    """
    # The arguments make accelerate's state of this process anew. Without a GPU, and not told to use the CPU, that state
    # knows no other process: 2 processes would each train as if alone, with twice the micro-batches for a batch.
    decided["use_cpu"] = not torch.cuda.is_available()
    try:
        return TrainingArguments(**decided | passed_through(params))
    except (ValueError, TypeError, ImportError) as error:
        raise ConfigError(
            f"params.yaml: training.arguments: {first_line(error)}; correct the value, or remove it"
        ) from None


def passed_through(params: TrainingParams) -> dict[str, Any]:
    """Return the arguments that transformers gets as they are; the intervals are computed from those given."""
    return {name: value for name, value in params.arguments.items() if name not in ("logging_steps", "save_steps")}
