"""Prepared trainer: `FocalDPOTrainer` for a model and a table of pairs, tried and with its reference scored."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, TrainerCallback
from trl import DPOConfig

from iterpref_core.config import TrainingParams
from iterpref_core.errors import ConfigError
from iterpref_core.objectives.objectives import Objective
from iterpref_core.training.attention import check_fork, choose_attention
from iterpref_core.training.columns import halves, objective_dataset
from iterpref_core.training.dpo_settings import CHECKPOINTING
from iterpref_core.training.exactness import check_adapters, check_exactness
from iterpref_core.training.layouts import PAD_TO_MULTIPLE_OF, Collator, make_collator
from iterpref_core.training.pair_table import PairTable
from iterpref_core.training.trained_model import lora_config
from iterpref_core.training.trainer import FocalDPOTrainer

_POINTS, _SAVES = 20, 8


def prepare_trainer(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: PairTable,
    held: np.ndarray,
    objective: Objective,
    params: TrainingParams,
    arguments: DPOConfig,
    score_reference: Callable[[Collator], Dataset | None],
    processes: PartialState,
    callbacks: Sequence[TrainerCallback] | None = None,
) -> FocalDPOTrainer:
    """The trainer of an objective, ready for `train()`.

    Args:
        policy: the model to train.
        tokenizer: its own, with a padding token.
        rows: the pairs.
        held: (pairs,), which of them are kept for validation.
        objective: the row of the table.
        params: settings.
        arguments: from `training_arguments`.
        score_reference: gives the reference's log-probabilities; None where the objective has no reference.
        processes: those that train together.
        callbacks: of the trainer.

    Raises:
        ConfigError: the model cannot take the layout, or PEFT has no adapters for it.
        ModelError: training would not compute what the model's own logits say.
    """
    assert tokenizer.pad_token_id is not None
    collator = make_collator(
        params.layout, tokenizer.pad_token_id, preference=objective.preference, pad_to_multiple_of=PAD_TO_MULTIPLE_OF
    )
    if params.layout == "fork":
        longest = max(rows.checks.lengths["pair"])
        choose_attention(policy, longest)
        check_fork(policy.config, longest)
    if processes.num_processes == 1:  # of several, each may hold but a part of it
        check_exactness(policy.to(processes.device), collator, params.layout)
    reference = score_reference(collator)
    columns, kept_out = objective_dataset(rows.dataset, reference, objective), np.tile(held, halves(objective))
    trainer = _make_trainer(
        params,
        objective=objective,
        nll=params.nll,
        max_margin=params.max_margin,
        model=policy,
        args=arguments,
        data_collator=collator,
        train_dataset=columns.select(np.flatnonzero(~kept_out)) if held.any() else columns,
        eval_dataset=columns.select(np.flatnonzero(kept_out)) if held.any() else None,
        processing_class=tokenizer,
        callbacks=callbacks,
    )
    if params.lora_rank and processes.num_processes == 1:
        check_adapters(trainer.model, collator, params.layout)
    return trainer


def _make_trainer(params: TrainingParams, **arguments: Any) -> FocalDPOTrainer:
    """The trainer, with adapters where they are asked for.

    Raises:
        ConfigError: PEFT has none for this model.
    """
    try:
        trainer = FocalDPOTrainer(peft_config=lora_config(params), **arguments)
    except ValueError as error:
        if "[PEFT" not in str(error):
            raise
        raise ConfigError(
            f"params.yaml: training.lora_rank: {error}; set training.lora_rank: 0 to train all weights"
        ) from None
    trainer.remove_callback(PrinterCallback)
    return trainer


def training_arguments(
    params: TrainingParams, objective: Objective, accumulation: int, pairs: int, folder: Path, **others: Any
) -> DPOConfig:
    """What the trainer is told.

    Args:
        params: settings.
        objective: the row of the table, whose learning rate counts.
        accumulation: micro-batches that this process computes for one batch.
        pairs: to train on.
        folder: for checkpoints.
        **others: of `DPOConfig`, in place of what follows from the settings.
    """
    steps = max(1, -(-pairs // params.batch_size) * params.epochs)
    log_every = max(1, steps // _POINTS)
    every = log_every * max(1, steps // (_SAVES * log_every))  # no logged mean covers steps of two runs
    own = {
        "output_dir": str(folder),
        "beta": params.beta,
        "learning_rate": objective.learning_rate,
        "num_train_epochs": params.epochs,
        "per_device_train_batch_size": params.micro_batch_size,
        "gradient_accumulation_steps": accumulation,
        "lr_scheduler_type": "cosine",
        "warmup_steps": int(params.warmup_ratio * steps),
        "max_grad_norm": params.max_grad_norm,
        "bf16": params.bf16,
        CHECKPOINTING: params.gradient_checkpointing,
        "seed": params.seed,
        "data_seed": params.seed,
        "max_length": None,  # the pairs come cut to length
        "precompute_ref_log_probs": True,  # no second model in memory: the reference is in the data
        "logging_steps": log_every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
        "eval_strategy": "steps" if params.validation_share else "no",
        "eval_steps": every,
        "per_device_eval_batch_size": params.micro_batch_size,
        "metric_for_best_model": "loss" if params.select == "best" else None,
        "greater_is_better": False if params.select == "best" else None,
        "ddp_find_unused_parameters": False,
        "logging_nan_inf_filter": False,  # a loss that is not finite ends training
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "use_cpu": not torch.cuda.is_available(),
    }
    return DPOConfig(**own | others)
