"""Argument lists: the arguments of transformers' `TrainingArguments` that `training.arguments` may state.

An argument is passed on (`PASSED`), or the project has a setting of its own for it (`OURS`). Any other is refused, and
so is a new one of a release after 5.23: nobody has seen what it does to checkpoints that a killed training resumes
from, to the reference, or to rows that hold several programs. docs/training-settings.md has the table.
"""

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from transformers import TrainingArguments

from iterpref_core.records.config import TrainingParams
from iterpref_core.records.errors import ConfigError, unknown_name

OURS: Mapping[str, tuple[str, ...]] = {
    "--out": ("output_dir", "resume_from_checkpoint"),
    "training.accelerate": ("fsdp", "fsdp_config", "deepspeed", "parallelism_config", "accelerator_config"),
    "training.arguments.logging_steps": ("logging_strategy",),
    "training.arguments.save_steps": ("eval_steps", "eval_delay"),
    "training.batch_size": ("gradient_accumulation_steps",),
    "training.bf16": ("bf16", "fp16", "tf32", "bf16_full_eval", "fp16_full_eval"),
    "training.epochs": ("num_train_epochs",),
    "training.gradient_checkpointing": (
        "gradient_checkpointing",
        "gradient_checkpointing_kwargs",
        "activation_checkpointing",
        "activation_checkpointing_kwargs",
    ),
    "training.max_grad_norm": ("max_grad_norm",),
    "training.micro_batch_size": (
        "per_device_train_batch_size",
        "per_device_eval_batch_size",
        "auto_find_batch_size",
    ),
    "training.objectives": ("learning_rate",),
    "training.seed": ("seed", "data_seed"),
    "training.select": (
        "load_best_model_at_end",
        "metric_for_best_model",
        "greater_is_better",
    ),
    "training.validation_share": ("eval_strategy", "do_eval"),
    "training.warmup_ratio": ("warmup_steps",),
}
"""Setting → the arguments that it decides."""

PASSED: Mapping[str, tuple[str, ...]] = {
    "the schedule, one of `SCHEDULES` (`training/training/optimizers.py`), and its options": (
        "lr_scheduler_type",
        "lr_scheduler_kwargs",
    ),
    "the optimizer, one of `OPTIMIZERS` there, and its numbers": (
        "optim",
        "weight_decay",
        "adam_beta1",
        "adam_beta2",
        "adam_epsilon",
    ),
    "optimizer steps, in place of `training.epochs`; GRPO has `training.grpo.steps`": ("max_steps",),
    "steps between two rows of the curve; below 1, a share of all steps": ("logging_steps",),
    "a row of the curve for the first step, too": ("logging_first_step",),
    "steps between two checkpoints, a multiple of `logging_steps`; below 1, a share of all steps. Validation is scored "
    "at the same steps": ("save_steps",),
    "`no` saves no checkpoint, so that a killed training begins anew; not with `training.select: best`": (
        "save_strategy",
    ),
    "checkpoints that are kept, besides the best: 2 or more, so that one of them is whole": ("save_total_limit",),
    "services that get the curve, and the name of the run there": ("report_to", "run_name", "project"),
    "processes that make the batches": ("dataloader_num_workers", "dataloader_pin_memory"),
    "PyTorch's deterministic kernels alone": ("full_determinism",),
    "what transformers tells on the terminal": ("log_level", "log_level_replica", "log_on_each_node"),
}
"""Effect → the arguments that transformers gets as they are."""


def _by_name(groups: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {name: text for text, names in groups.items() for name in names}


_OURS = _by_name(OURS)
_PASSED = _by_name(PASSED)


def check_names(arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that transformers does not get as they are.

    Args:
        arguments: `training.arguments`.

    Raises:
        ConfigError: one is decided by another setting, not passed on, or unknown.
    """
    for name in arguments:
        if name not in _PASSED:
            raise ConfigError(f"params.yaml: training.arguments{_refusal(name)}")


def _refusal(name: str) -> str:
    """Return the rest of the message for an argument that is not passed on."""
    known = [field.name for field in fields(TrainingArguments)]
    if name in _OURS:
        return f".{name}: is decided by {_OURS[name]}; set it there"
    if name in known:
        return (
            f".{name}: is not passed on: it is not known to leave checkpoints, reference and batches right; remove it "
            "(docs/training-settings.md has those that are)"
        )
    if name in TrainingParams.model_fields:
        return f".{name}: is a setting of this project; set training.{name}"
    # "evaluation_strategy" is nearest to "eval_strategy", of which the message says what decides it.
    near = get_close_matches(name, known, n=1)
    if near and near[0] not in _PASSED:
        return f": there is no {name}; {near[0]}{_refusal(near[0]).removeprefix(f'.{near[0]}:')}"
    return f": {unknown_name('argument', name, _PASSED)}"
