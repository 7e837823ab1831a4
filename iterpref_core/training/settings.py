"""Settings of the trainer, from `TrainingParams`."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from iterpref_core.config import TrainingParams
from iterpref_core.errors import ConfigError, first_line, unknown_name
from iterpref_core.training.data.steps import training_steps
from iterpref_core.training.model.policy import lora_config

_POINTS = 20
"""Points of a curve, unless `logging_steps` says how many."""
_SAVES = 8
"""Checkpoints of a training."""

DECIDED = {
    "output_dir": "the option --out",
    "overwrite_output_dir": "the option --out",
    "resume_from_checkpoint": "--scratch: a training continues from its own last checkpoint",
    "learning_rate": "training.objectives",
    "num_train_epochs": "training.epochs",
    "per_device_train_batch_size": "training.micro_batch_size",
    "per_device_eval_batch_size": "training.micro_batch_size",
    "auto_find_batch_size": "training.micro_batch_size",
    "gradient_accumulation_steps": "training.batch_size",
    "warmup_steps": "training.warmup_ratio",
    "max_grad_norm": "training.max_grad_norm",
    "bf16": "training.bf16",
    "fp16": "training.bf16",
    "gradient_checkpointing": "training.gradient_checkpointing",
    "activation_checkpointing": "training.gradient_checkpointing",
    "seed": "training.seed",
    "data_seed": "training.seed",
    "eval_strategy": "training.validation_share",
    "load_best_model_at_end": "training.select",
    "metric_for_best_model": "training.select",
    "greater_is_better": "training.select",
    "label_smoothing_factor": "the objective: `robust` smooths labels",
    "fsdp": "training.accelerate",
    "fsdp_config": "training.accelerate",
    "deepspeed": "training.accelerate",
    "parallelism_config": "training.accelerate",
    "accelerator_config": "training.accelerate",
    "remove_unused_columns": "the collator, which reads them all",
    "label_names": "the collator, which makes them",
    "train_sampling_strategy": "the layout, which packs pairs of any length",
    "length_column_name": "the layout, which packs pairs of any length",
    "logging_nan_inf_filter": "the trainer, which ends at a loss that is not finite",
    "do_train": "the verb",
    "do_eval": "training.validation_share",
    "do_predict": "the verb",
    "local_rank": "accelerate",
    "use_cpu": "the environment variable CUDA_VISIBLE_DEVICES",
    "neftune_noise_alpha": "the objective: noise would separate the policy from its reference",
}
"""Arguments of transformers that the project decides, and where it does."""


def check_settings(params: TrainingParams) -> None:
    """Refuse options of PEFT and of transformers that cannot be taken, before any computation.

    Raises:
        ConfigError: a name is unknown or decided elsewhere, or a value is none that the library takes.
    """
    lora_config(params)
    known = [field.name for field in fields(TrainingArguments)]
    for name in params.arguments:
        if name in DECIDED:
            raise ConfigError(f"params.yaml: training.arguments.{name}: is decided by {DECIDED[name]}; set it there")
        if name not in known:
            raise ConfigError(f"params.yaml: training.arguments: {unknown_name('argument', name, known)}")
    if params.select == "best" and params.arguments.get("save_strategy", "steps") != "steps":
        raise ConfigError(
            "params.yaml: training.select: best chooses among checkpoints that are saved by steps; remove "
            "training.arguments.save_strategy"
        )
    _check_services(_transformers_arguments(params, output_dir="unused"))


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
    shared = shared_arguments(
        params,
        learning_rate=learning_rate,
        accumulation=accumulation,
        steps=training_steps(params, pairs),
        folder=folder,
    )
    return _transformers_arguments(
        params,
        **shared,
        num_train_epochs=params.epochs,
        eval_strategy="steps" if params.validation_share else "no",
        eval_steps=shared["save_steps"],
        per_device_eval_batch_size=params.micro_batch_size,
        metric_for_best_model="loss" if params.select == "best" else None,
        greater_is_better=False if params.select == "best" else None,
    )


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
    log_every = max(1, steps // _POINTS)
    logging_steps = params.arguments.get("logging_steps", log_every)
    if logging_steps >= 1:
        log_every = int(logging_steps)
    save_every = log_every * max(1, steps // (_SAVES * log_every))  # no logged mean covers steps of two runs
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
        "save_total_limit": 2,
        "ddp_find_unused_parameters": False,
        "logging_nan_inf_filter": False,  # a loss that is not finite ends training
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }


def _transformers_arguments(params: TrainingParams, **decided: Any) -> TrainingArguments:
    """Return the project's own arguments with those of `training.arguments` in their place.

    Raises:
        ConfigError: transformers refuses a value.
    """
    # The arguments make accelerate's state of this process anew. Without a GPU, and not told to use the CPU, that state
    # knows no other process: 2 processes would each train as if alone, with twice the micro-batches for a batch.
    decided["use_cpu"] = not torch.cuda.is_available()
    try:
        return TrainingArguments(**decided | params.arguments)
    except (ValueError, TypeError, ImportError) as error:
        raise ConfigError(
            f"params.yaml: training.arguments: {first_line(error)}; correct the value, or remove it"
        ) from None
