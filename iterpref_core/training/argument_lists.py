"""Argument lists: what happens to each argument of transformers' `TrainingArguments` in `training.arguments`.

Every argument is in one of three lists: the project has its own setting for it (`OURS`), transformers gets it
(`PASSED`), or it is refused for a reason (`REFUSED`). An argument in none of them, such as a new one, is refused too:
nobody has seen yet what it does to checkpoints, reference and layouts. docs/training.md has the same table.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from iterpref_core.config import TrainingParams
from iterpref_core.errors import ConfigError, unknown_name

OURS: Mapping[str, tuple[str, ...]] = {
    "--out": ("output_dir",),
    "--scratch": ("resume_from_checkpoint",),
    "training.accelerate": ("fsdp", "fsdp_config", "deepspeed", "parallelism_config", "accelerator_config"),
    "training.arguments.activation_checkpointing_kwargs": ("gradient_checkpointing_kwargs",),
    "training.arguments.logging_steps": ("logging_strategy",),
    "training.arguments.save_steps": ("eval_steps", "eval_delay"),
    "training.batch_size": ("gradient_accumulation_steps",),
    "training.bf16": ("bf16", "fp16", "tf32", "bf16_full_eval", "fp16_full_eval"),
    "training.epochs": ("num_train_epochs",),
    "training.gradient_checkpointing": ("gradient_checkpointing", "activation_checkpointing"),
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
    "the schedule and its options; an option that the schedule does not have is refused": (
        "lr_scheduler_type",
        "lr_scheduler_kwargs",
    ),
    "the optimizer, one of those below, and its options; an option that it does not read is refused": (
        "optim",
        "optim_args",
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
    "services that get the curve, and what they are told": (
        "report_to",
        "run_name",
        "project",
        "trackio_space_id",
        "trackio_bucket_id",
        "trackio_static_space_id",
        "hub_private_repo",
    ),
    "processes that make the batches": (
        "dataloader_num_workers",
        "dataloader_persistent_workers",
        "dataloader_prefetch_factor",
        "dataloader_pin_memory",
    ),
    "how activations are computed again, with `training.gradient_checkpointing`": ("activation_checkpointing_kwargs",),
    "PyTorch's deterministic kernels alone": ("full_determinism",),
    "steps after which a GPU's cache is emptied": ("torch_empty_cache_steps",),
    "what transformers tells on the terminal": ("log_level", "log_level_replica", "log_on_each_node"),
    "how processes exchange gradients": (
        "ddp_find_unused_parameters",
        "ddp_bucket_cap_mb",
        "ddp_broadcast_buffers",
    ),
}
"""Effect → the arguments that transformers gets as they are."""

REFUSED: Mapping[str, tuple[str, ...]] = {
    "a killed training resumes from its last checkpoint, which needs the optimizer, the schedule and the place in the "
    "data": ("save_only_model", "ignore_data_skip"),
    "a killed training resumes from its last checkpoint anyway; set save_steps for more of them": (
        "enable_jit_checkpoint",
        "restore_callback_states_from_checkpoint",
    ),
    "processes share the folder --scratch": ("save_on_each_node",),
    "the trainer's folder has unfinished checkpoints; upload the model when it is written (`iterpref export`)": (
        "push_to_hub",
        "hub_token",
        "hub_model_id",
        "hub_strategy",
        "hub_always_push",
        "hub_revision",
    ),
    "validation gathers nothing but its numbers, at every save": (
        "eval_on_start",
        "prediction_loss_only",
        "eval_do_concat_batches",
        "eval_use_gather_object",
        "eval_accumulation_steps",
        "include_for_metrics",
        "batch_eval_metrics",
    ),
    "every pair counts, and the loss is that of the whole batch in all processes": (
        "dataloader_drop_last",
        "average_tokens_across_devices",
    ),
    "the order of the batches is that of the seed": ("dataloader_in_order", "train_sampling_strategy"),
    "the collator decides what is in a batch": ("remove_unused_columns", "label_names", "length_column_name"),
    "data set and collator are not made for new processes, only for copies of this one": (
        "dataloader_multiprocessing_context",
    ),
    "the objective says what the loss is; `robust` smooths its labels": ("label_smoothing_factor",),
    "noise would separate the policy from its reference": ("neftune_noise_alpha",),
    "the model's own code is compared with its logits before training, and must not be replaced after that": (
        "torch_compile",
        "torch_compile_backend",
        "torch_compile_mode",
        "use_liger_kernel",
        "liger_kernel_config",
    ),
    "training reads whole programs at once, which needs no cache": ("use_cache",),
    "a row may hold several programs, so tokens of rows are no tokens of pairs": ("include_num_input_tokens_seen",),
    "training ends at a loss or a gradient that is not finite": ("logging_nan_inf_filter", "debug"),
    "steps are shown as in all of this project": ("disable_tqdm",),
    "nothing reads these numbers": ("skip_memory_metrics",),
    "no optimizer that may be chosen reads it": ("optim_target_modules",),
    "processes have met before transformers reads it, and wait two hours for each other": (
        "ddp_backend",
        "ddp_timeout",
        "local_rank",
    ),
    "not known to be right where gradients are added over micro-batches": ("ddp_static_graph",),
    "the verb says what is done": ("do_train", "do_predict"),
    "CUDA_VISIBLE_DEVICES, in the environment, says which GPUs there are": ("use_cpu",),
}
"""Reason → the arguments that are refused for it."""


def _by_name(groups: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {name: text for text, names in groups.items() for name in names}


_OURS = _by_name(OURS)
_PASSED = _by_name(PASSED)
_REFUSED = _by_name(REFUSED)


def check_names(arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that transformers does not get as they are.

    Args:
        arguments: `training.arguments`.

    Raises:
        ConfigError: one is decided by another setting, refused, or unknown.
    """
    for name in arguments:
        if name not in _PASSED:
            raise ConfigError(f"params.yaml: training.arguments{_refusal(name)}")


def _refusal(name: str) -> str:
    """Return the rest of the message for an argument that is not passed through."""
    if name in _OURS:
        return f".{name}: is decided by {_OURS[name]}; set it there"
    if name in _REFUSED:
        return f".{name}: is refused: {_REFUSED[name]}; remove it"
    if name in TrainingParams.model_fields:
        return f".{name}: is a setting of this project; set training.{name}"
    # "evaluation_strategy" is nearest to "eval_strategy", of which the message says what decides it.
    near = get_close_matches(name, [*_OURS, *_REFUSED, *_PASSED], n=1)
    if near and near[0] not in _PASSED:
        return f": there is no {name}; {near[0]}{_refusal(near[0]).removeprefix(f'.{near[0]}:')}"
    return f": {unknown_name('argument', name, _PASSED)}"
