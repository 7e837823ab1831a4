"""Passed arguments: the names of other libraries that are handed on to them as they are, each with the reason.

A name is here where a test has seen that it leaves checkpoints, reference, batches and the written model right. Any
other is refused by name: nobody has tried its effect.
"""

TRAINING_ARGUMENTS = {
    "lr_scheduler_type": "one of `SCHEDULES`",
    "lr_scheduler_kwargs": "the options of the schedule, which is tried before a model is loaded",
    "optim": "one of `OPTIMIZERS`",
    "weight_decay": "a number of the optimizer",
    "adam_beta1": "a number of the optimizer",
    "adam_beta2": "a number of the optimizer",
    "adam_epsilon": "a number of the optimizer",
    "max_grad_norm": "gradients are clipped when all of a batch are there",
    "max_steps": "the length of the training, which the estimate and the schedule read",
    "logging_steps": "rows of the curve",
    "logging_first_step": "a row of the curve",
    "save_steps": "checkpoints, each with a row of the curve and a validation",
    "report_to": "services that get the curve",
    "run_name": "the name of the run there",
    "project": "the name of the project there",
    "dataloader_num_workers": "processes that make the same batches",
    "full_determinism": "PyTorch's deterministic kernels alone",
}
"""Arguments of transformers' `TrainingArguments` (5.23), which docs/training-settings.md has, too."""

_RESUMED = "a killed training ends with the same weights, bit for bit (tests/training/training/test_optimizers.py)"

OPTIMIZERS = dict.fromkeys(
    (
        "adamw_torch",
        "adamw_torch_fused",
        "adamw_8bit",
        "adamw_bnb_8bit",
        "paged_adamw_8bit",
        "paged_adamw_32bit",
        "ademamix",
        "ademamix_8bit",
        "paged_ademamix_8bit",
        "paged_ademamix_32bit",
        "lion_8bit",
        "lion_32bit",
        "paged_lion_8bit",
        "paged_lion_32bit",
        "adafactor",
        "adagrad",
        "rmsprop",
        "rmsprop_bnb",
        "rmsprop_bnb_8bit",
        "rmsprop_bnb_32bit",
        "sgd",
    ),
    _RESUMED,
)
"""Values of `optim`; the step is made when all gradients of the batch are there."""

PLATEAU = "reduce_lr_on_plateau"
"""The schedule that follows the validation loss."""

SCHEDULES = dict.fromkeys(
    (
        "linear",
        "cosine",
        "cosine_with_restarts",
        "cosine_with_min_lr",
        "cosine_warmup_with_min_lr",
        "polynomial",
        "constant",
        "constant_with_warmup",
        "inverse_sqrt",
        PLATEAU,
        "warmup_stable_decay",
    ),
    _RESUMED,
)
"""Values of `lr_scheduler_type`."""

_WRITTEN = "the written model is the trained one (tests/training/training/test_adapter_limits.py)"

LORA_OPTIONS = dict.fromkeys(
    (
        "alpha_pattern",
        "bias",
        "exclude_modules",
        "fan_in_fan_out",
        "init_lora_weights",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_dropout",
        "modules_to_save",
        "r",
        "rank_pattern",
        "target_modules",
        "target_parameters",
        "use_dora",
        "use_rslora",
    ),
    _WRITTEN,
)
"""Options of PEFT's `LoraConfig` (0.21)."""

UNREAD_ARGUMENTS = {
    "batch_eval_metrics": "no logits are built",
    "bf16_full_eval": "validation has the precision of training",
    "eval_accumulation_steps": "validation gathers nothing but numbers",
    "fp16": "its loss is scaled, and gradients beyond its range would end training; set bf16",
    "fp16_full_eval": "validation has the precision of training",
    "include_for_metrics": "no logits are built",
    "label_names": "a batch has the labels of its layout",
    "label_smoothing_factor": "the loss is the objective's; cdpo and robust smooth labels",
    "neftune_noise_alpha": "noise would separate the policy from its reference",
}
"""Arguments of transformers' `TrainingArguments` that `FocalDPOTrainer` has no use for, each with the reason."""

DPO_FIELDS = {
    "beta": "the scale of the margin",
    "max_length": "tokens of prompt and program",
    "model_init_kwargs": "how a model that is named is loaded",
    "pad_token": "the token that fills rows",
    "precompute_ref_batch_size": "pairs of a forward pass of the reference",
    "precompute_ref_log_probs": "references are always computed before training",
}
"""Fields of TRL's `DPOConfig` (1.16) that `FocalDPOTrainer` uses, besides those of `TrainingArguments`."""
