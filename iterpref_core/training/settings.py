"""Settings of the trainer, from `TrainingParams` and the row of the table of objectives."""

from pathlib import Path

import torch
from peft import LoraConfig
from transformers import TrainingArguments

from iterpref_core.config import TrainingParams
from iterpref_core.objectives.objectives import Objective

_POINTS, _SAVES = 20, 8


def training_arguments(
    params: TrainingParams, objective: Objective, accumulation: int, pairs: int, folder: Path
) -> TrainingArguments:
    """What the trainer is told.

    Args:
        params: settings.
        objective: the row of the table, whose learning rate counts.
        accumulation: micro-batches that this process computes for one batch.
        pairs: to train on.
        folder: for checkpoints.
    """
    steps = max(1, -(-pairs // params.batch_size) * params.epochs)
    log_every = max(1, steps // _POINTS)
    save_every = log_every * max(1, steps // (_SAVES * log_every))  # no logged mean covers steps of two runs
    return TrainingArguments(
        output_dir=str(folder),
        learning_rate=objective.learning_rate,
        num_train_epochs=params.epochs,
        per_device_train_batch_size=params.micro_batch_size,
        gradient_accumulation_steps=accumulation,
        lr_scheduler_type="cosine",
        warmup_steps=int(params.warmup_ratio * steps),
        max_grad_norm=params.max_grad_norm,
        bf16=params.bf16,
        activation_checkpointing=params.gradient_checkpointing,
        seed=params.seed,
        data_seed=params.seed,
        logging_steps=log_every,
        save_strategy="steps",
        save_steps=save_every,
        save_total_limit=2,
        eval_strategy="steps" if params.validation_share else "no",
        eval_steps=save_every,
        per_device_eval_batch_size=params.micro_batch_size,
        metric_for_best_model="loss" if params.select == "best" else None,
        greater_is_better=False if params.select == "best" else None,
        ddp_find_unused_parameters=False,
        logging_nan_inf_filter=False,  # a loss that is not finite ends training
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.cuda.is_available(),
    )


def lora_config(params: TrainingParams) -> LoraConfig | None:
    """Adapters on all linear layers but the head; None where all parameters are trained.

    Without dropout: the policy would differ from its reference by noise.
    """
    if not params.lora_rank:
        return None
    return LoraConfig(
        r=params.lora_rank, lora_alpha=params.lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
