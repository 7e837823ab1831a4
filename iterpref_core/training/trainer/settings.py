"""Settings of the trainer, from `TrainingParams`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import torch
from transformers import TrainingArguments
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from iterpref_core.records.config import TrainingParams
from iterpref_core.records.errors import ConfigError, first_line
from iterpref_core.training.data.steps import training_steps
from iterpref_core.training.model.passed_arguments import PLATEAU, TRAINING_ARGUMENTS
from iterpref_core.training.model.policy import lora_config
from iterpref_core.training.objectives.objective_table import ObjectiveSettings
from iterpref_core.training.trainer.focal_config import SHARED, FocalDPOConfig, check_number, check_value
from iterpref_core.training.trainer.optimizers import check_choices

_POINTS = 20
"""Points of a curve, unless `logging_steps` says how many."""
_SAVES = 8
"""Checkpoints of a training, unless `save_steps` says how many."""
_KEPT = 2
"""Checkpoints that are kept: the newest may not be whole yet."""
_WHERE = "params.yaml: training.arguments"


def check_settings(params: TrainingParams) -> None:
    """Refuse options of PEFT and of transformers that cannot be taken, before anything is read.

    Args:
        params: the section `training`.

    Raises:
        ConfigError: a name or a value cannot be taken.
    """
    lora_config(params)
    check_arguments(params.arguments)
    if params.arguments.get("lr_scheduler_type") == PLATEAU and not params.validation_share:
        raise ConfigError(
            f"{_WHERE}.lr_scheduler_type: {PLATEAU} follows the validation loss, and nothing is held out; set "
            "training.validation_share, or another schedule"
        )


def check_arguments(given: Mapping[str, Any]) -> None:
    """Refuse arguments that are not passed on, values of another type, and numbers below 0 or without end.

    Args:
        given: `training.arguments`.

    Raises:
        ConfigError: a name or a value cannot be taken.
    """
    types = get_type_hints(TrainingArguments)
    for name, value in given.items():
        if name not in TRAINING_ARGUMENTS:
            raise ConfigError(
                f"{_WHERE}.{name}: is not passed on to transformers; remove it: another setting of `training` decides "
                "it (such as epochs, warmup_ratio, or select for the checkpoint to take), or it is not known to leave "
                f"checkpoints, reference and batches right; there are {', '.join(TRAINING_ARGUMENTS)}"
            )
        check_value(f"{_WHERE}.{name}", types[name], value)
        check_number(f"{_WHERE}.{name}", value)
    check_choices(given)
    named = given.get("report_to") or []
    for name in [named] if isinstance(named, str) else named:
        if name == "none":
            continue
        try:
            INTEGRATION_TO_CALLBACK[name]()
        except (KeyError, RuntimeError, ImportError) as error:
            raise ConfigError(
                f"{_WHERE}.report_to: {name} cannot be used ({first_line(error)}); install it, or name another of "
                f"{', '.join(INTEGRATION_TO_CALLBACK)}"
            ) from None


def training_arguments(
    params: TrainingParams,
    objective: ObjectiveSettings,
    accumulation: int,
    rows: int,
    folder: Path,
) -> FocalDPOConfig:
    """Return the arguments of a trainer that reads a file of rows, for some epochs, with validation.

    Args:
        params: settings, checked by `check_settings`, with `bf16` decided.
        objective: the values that hold for the objective.
        accumulation: micro-batches that this process computes for one batch.
        rows: to train on.
        folder: for checkpoints.

    Raises:
        ConfigError: transformers refuses a value.
    """
    best = params.select == "best"
    values = _usual(params, training_steps(params, rows)) | {
        "output_dir": str(folder),
        "learning_rate": objective.learning_rate,
        "gradient_accumulation_steps": accumulation,
    }
    values |= params.arguments
    values |= {
        "num_train_epochs": params.epochs,
        "eval_strategy": "steps" if params.validation_share else "no",
        "eval_steps": values["save_steps"],
        "per_device_eval_batch_size": params.micro_batch_size,
        "metric_for_best_model": "loss" if best else None,
        "greater_is_better": False if best else None,
        "objective": objective.name,
    }
    values |= {name: getattr(params, name) for name in SHARED} | {"alpha": objective.alpha, "beta": objective.beta}
    for name in objective.row.unread:
        del values[name]
    try:
        return FocalDPOConfig(**values)
    except (ValueError, TypeError, ImportError) as error:
        raise ConfigError(f"{_WHERE}: {first_line(error)}; correct the value, or remove it") from None


def _usual(params: TrainingParams, steps: int) -> dict[str, Any]:
    """Return the arguments that hold unless `training.arguments` has others."""
    log_every = max(1, steps // _POINTS)
    return {
        "per_device_train_batch_size": params.micro_batch_size,
        "lr_scheduler_type": "cosine",
        "warmup_steps": int(params.warmup_ratio * steps),
        "max_grad_norm": 1.0,
        "bf16": params.bf16 is True,
        "activation_checkpointing": params.gradient_checkpointing,
        "seed": params.seed,
        "data_seed": params.seed,
        "logging_steps": log_every,
        "save_strategy": "steps",
        "save_steps": log_every * max(1, steps // (_SAVES * log_every)),
        "save_total_limit": _KEPT,
        "ddp_find_unused_parameters": False,
        "logging_nan_inf_filter": False,  # a loss that is not finite ends training
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),
        # The arguments make accelerate's state of this process anew. Without a GPU, and not told to use the CPU, that
        # state knows no other process: 2 processes would each train as if alone, with twice the micro-batches.
        "use_cpu": not torch.cuda.is_available(),
    }
