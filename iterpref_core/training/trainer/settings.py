"""Make the trainer's settings from `TrainingParams`."""

import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_type_hints

import torch
from transformers import Trainer, TrainingArguments

from iterpref_core.records import ConfigError, ObjectiveParams, TrainingParams, first_line, unknown_name
from iterpref_core.records.config import OTHER_NAMES

from ..data.steps import training_steps
from ..model.policy import check_type, checkpointing_options, lora_config
from ..model.ranks import is_sharded
from ..objectives.objective_settings import ObjectiveSettings

OURS = (
    "activation_checkpointing",
    "bf16",
    "bf16_full_eval",
    "data_seed",
    "do_eval",
    "do_predict",
    "do_train",
    "eval_steps",
    "eval_strategy",
    "fp16",
    "fp16_full_eval",
    "gradient_accumulation_steps",
    "gradient_checkpointing",
    "gradient_checkpointing_kwargs",
    "greater_is_better",
    "hub_model_id",
    "hub_strategy",
    "hub_token",
    "label_names",
    "label_smoothing_factor",
    "learning_rate",
    "length_column_name",
    "liger_kernel_config",
    "load_best_model_at_end",
    "metric_for_best_model",
    "num_train_epochs",
    "optim_target_modules",
    "output_dir",
    "per_device_eval_batch_size",
    "per_device_train_batch_size",
    "push_to_hub",
    "resume_from_checkpoint",
    "save_only_model",
    "save_strategy",
    "save_total_limit",
    "seed",
    "trackio_space_id",
    "use_liger_kernel",
    "warmup_steps",
)
"""Arguments of transformers that another setting of `training`, the objective or `iterpref export` decides, or none."""
_ORDERS = ("random", "sequential")
"""Orders of pairs; the others of transformers need a column of lengths."""
_OF_BATCHES = ("dispatch_batches", "gradient_accumulation_kwargs", "split_batches")
"""Options of accelerate that would make other batches than training counts with."""
_POINTS = 20
"""Points of a curve, unless `logging_steps` is set."""
_SAVES = 8
"""Checkpoints of a training, unless `save_steps` is set."""
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
    if params.lora is None and not params.merge:
        raise ConfigError("params.yaml: training.merge: false keeps adapters alone; set training.lora, or merge: true")
    check_arguments(params.arguments)
    if params.arguments.get("train_sampling_strategy", "random") not in _ORDERS:
        raise ConfigError(f"{_WHERE}.train_sampling_strategy: choose one of {', '.join(_ORDERS)}")
    for name in _OF_BATCHES:
        if (params.arguments.get("accelerator_config") or {}).get(name):
            raise ConfigError(
                f"{_WHERE}.accelerator_config: {name}: training decides the batches, and rows cannot be split without "
                "their labels; remove it"
            )


def check_arguments(given: Mapping[str, Any]) -> None:
    """Refuse arguments that transformers would refuse later, or that training decides.

    Args:
        given: `training.arguments`.

    Raises:
        ConfigError: a name or a value cannot be taken.
    """
    types = get_type_hints(TrainingArguments)
    for name, value in given.items():
        where = f"{_WHERE}.{name}"
        if name in OURS:
            ours = OTHER_NAMES.get(name, name)
            named = ours.partition(".")[0] in (*TrainingParams.model_fields, *ObjectiveParams.model_fields)
            decides = f"training.{ours}" if named else "another option, the objective, `iterpref export` or nothing"
            raise ConfigError(f"{where}: {decides} decides it; remove it")
        if name not in types:
            raise ConfigError(f"{_WHERE}: {unknown_name('argument of transformers', name, types)}")
        check_type(where, types[name], value)
        if isinstance(value, int | float):
            if not 0 <= value < math.inf:
                raise ConfigError(f"{where}: is {value}; give a finite number, 0 or more")
            if value == 0 and name.endswith(("_steps", "batch_size")):
                raise ConfigError(f"{where}: is 0; give a number above 0")
    _try_arguments(given)


def _try_arguments(given: Mapping[str, Any]) -> None:
    """Have transformers make its trainer, optimizer and schedule for a model of one weight.

    Raises:
        ConfigError: a value, a service or a package that is not there.
    """
    if is_sharded():  # the optimizer is made of shards, which one weight does not have
        return
    # The arguments that the trial needs, unless the user has them.
    arguments: dict[str, Any] = {
        "report_to": "none",
        "use_cpu": not torch.cuda.is_available(),
        "eval_strategy": "steps",
    }
    try:
        # transformers makes the folder of a trainer at once.
        with TemporaryDirectory() as folder:
            settings = TrainingArguments(folder, **arguments | dict(given))
            trainer = Trainer(torch.nn.Linear(1, 1), settings, eval_dataset=[0])
            trainer.create_optimizer_and_scheduler(max(int(given.get("max_steps", 0)), 2))
    except (ValueError, TypeError, RuntimeError, ImportError, ArithmeticError, OSError) as error:
        raise ConfigError(f"{_WHERE}: {given}: {first_line(error)}; correct the value, or remove it") from None


def training_arguments(
    params: TrainingParams,
    objective: ObjectiveSettings,
    accumulation: int,
    rows: int,
    folder: Path,
    *,
    validated: bool,
) -> TrainingArguments:
    """Return the arguments of a trainer that reads a file of rows, for some epochs, with validation.

    Args:
        params: settings, checked by `check_settings`, with `bf16` decided.
        objective: the values that hold for the objective.
        accumulation: micro-batches that this process computes for one batch.
        rows: to train on.
        folder: for checkpoints.
        validated: pairs are held out, and scored at every save.

    Raises:
        ConfigError: transformers refuses a value, or no pair would be left.
    """
    # 40 steps have a row of the curve every 2, and a checkpoint every 4.
    if params.arguments.get("dataloader_drop_last") and rows < params.batch_size // accumulation:
        raise ConfigError(f"{_WHERE}.dataloader_drop_last: {rows} pairs fill no batch of every process; remove it")
    steps = training_steps(params, rows)
    log_every = max(1, steps // _POINTS)
    best = params.select == "best"
    values: dict[str, Any] = {
        "output_dir": str(folder),
        "num_train_epochs": params.epochs,
        "learning_rate": objective.learning_rate,
        "per_device_train_batch_size": params.micro_batch_size,
        "per_device_eval_batch_size": params.micro_batch_size,
        "gradient_accumulation_steps": accumulation,
        "lr_scheduler_type": "cosine",
        "warmup_steps": int(params.warmup_ratio * steps),
        "max_grad_norm": 1.0,
        "bf16": params.bf16 is True,
        "activation_checkpointing": bool(params.gradient_checkpointing),
        "activation_checkpointing_kwargs": checkpointing_options(params.gradient_checkpointing),
        "seed": params.seed,
        "data_seed": params.seed,
        "logging_steps": log_every,
        "save_strategy": "steps",
        "save_steps": log_every * max(1, steps // (_SAVES * log_every)),
        "save_total_limit": _KEPT,
        "eval_strategy": "steps" if validated else "no",
        "metric_for_best_model": "loss" if best else None,
        "greater_is_better": False if best else None,
        "ddp_find_unused_parameters": False,
        "logging_nan_inf_filter": False,  # a loss that is not finite ends training
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "dataloader_num_workers": 2 if torch.cuda.is_available() else 0,  # a card waits for no row
        # The arguments make accelerate's state of this process anew. Without a GPU, and without `use_cpu`, that state
        # does not know other processes: 2 processes would each train as if alone, with twice the micro-batches.
        "use_cpu": not torch.cuda.is_available(),
        # `check_arguments` has refused what is decided above.
        **params.arguments,
    }
    values["eval_steps"] = values["save_steps"]
    try:
        return TrainingArguments(**values)
    except (ValueError, TypeError, ImportError) as error:
        raise ConfigError(f"{_WHERE}: {first_line(error)}; correct the value, or remove it") from None
