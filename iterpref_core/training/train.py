"""Stage `train`: focal preference training of one objective."""

import csv
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig

from iterpref_core.config import ObjectiveName, TrainParams
from iterpref_core.errors import ConfigError
from iterpref_core.inference.fingerprint import model_fingerprint
from iterpref_core.inference.transformers_backend import load_model, load_tokenizer
from iterpref_core.jsonl import atomic_writer
from iterpref_core.progress import show_progress
from iterpref_core.training.attention import check_fork, choose_attention
from iterpref_core.training.checkpoint import last_checkpoint, run_key
from iterpref_core.training.columns import objective_columns
from iterpref_core.training.dataset import TokenisedPair, load_pairs
from iterpref_core.training.layouts import PAD_TO_MULTIPLE_OF, make_collator
from iterpref_core.training.objectives import OBJECTIVES
from iterpref_core.training.reference import ReferenceLogps, reference_key, reference_logps
from iterpref_core.training.trainer import FocalDPOTrainer

OnLog = Callable[[dict[str, float], int], None]

_LOGGING_STEPS = 5
_SAVES_PER_RUN = 8
_CURVE = ("step", "epoch", "loss", "nll", "learning_rate", "grad_norm")
_REWARDS = ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies")


class _ShowSteps(TrainerCallback):
    """Shows training like all other long work; what it opens is closed by whoever trains."""

    def __init__(self, label: str, opened: ExitStack) -> None:
        self._label, self._opened = label, opened
        self._note = ""

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        shown = show_progress(self._label, state.max_steps, done=state.global_step, unit="steps")
        self._advance = self._opened.enter_context(shown)

    def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        if logs and "loss" in logs:
            self._note = f"loss {logs['loss']:.3f}"

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._advance(note=self._note)


class _Forward(TrainerCallback):
    """Hands every log line on to the caller while training runs."""

    def __init__(self, on_log: OnLog) -> None:
        self._on_log = on_log

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        numbers = {name: float(value) for name, value in (logs or {}).items() if name in _CURVE + _REWARDS}
        if numbers:
            self._on_log(numbers, state.global_step)


def train_objective(
    pairs: Path,
    spans: Path,
    model: Path,
    objective: ObjectiveName,
    params: TrainParams,
    out: Path,
    curve: Path,
    work: Path,
    on_log: OnLog | None = None,
) -> dict[str, float]:
    """Train a model with one objective; a killed run resumes from its last checkpoint.

    Args:
        pairs: preference pairs.
        spans: error regions; pairs without a record there take no part.
        model: the model to start from, which is also the reference.
        objective: a row of `OBJECTIVES`.
        params: settings.
        out: folder for the trained checkpoint.
        curve: CSV of the training curve, one row per logged step.
        work: folder for checkpoints and reference log-probabilities, kept outside of `out`.
        on_log: called with (metrics, step) while training runs.

    Returns:
        `pairs`, `steps`, `loss` (mean over the run), last values of the rewards, `focal_token_share` (of the rejected
        tokens), `pairs_without_focal_tokens`, `focal_tokens_cut` by `max_length`.

    Raises:
        ConfigError: `batch_size` is no multiple of `micro_batch_size`, or the model cannot take the layout `fork`.
        InputError: pairs, spans or model cannot be used.
    """
    accumulation = _accumulation_steps(params)
    tokenizer = load_tokenizer(model)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    rows = load_pairs(pairs, spans, tokenizer, params)
    fingerprint = model_fingerprint(model)
    row = OBJECTIVES[objective]
    policy = load_model(model)
    if params.layout == "fork":
        choose_attention(policy)
        check_fork(policy.config, max(row.length for row in rows))
    checkpoints = work / "checkpoints" / f"{objective}-{run_key(pairs, spans, fingerprint, objective, params)}"
    reference = _reference(policy, rows, fingerprint, params, work) if row.preference else None
    trainer = FocalDPOTrainer(
        objective=row,
        alpha=params.objectives[objective].alpha,
        nll=params.nll,
        model=policy,
        args=_arguments(params, objective, accumulation, len(rows), checkpoints),
        data_collator=make_collator(
            params.layout, tokenizer.pad_token_id, preference=row.preference, pad_to_multiple_of=PAD_TO_MULTIPLE_OF
        ),
        train_dataset=Dataset.from_dict(objective_columns(rows, row, reference)),
        processing_class=tokenizer,
        callbacks=[_Forward(on_log)] if on_log else None,
    )
    trainer.remove_callback(PrinterCallback)
    resume = last_checkpoint(checkpoints)
    with ExitStack() as opened:
        trainer.add_callback(_ShowSteps(f"train {objective}", opened))
        result = trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    _save(trainer, out)
    _write_curve(curve, trainer.state.log_history)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return _metrics(rows, result.training_loss, trainer.state)


def _accumulation_steps(params: TrainParams) -> int:
    if params.batch_size % params.micro_batch_size:
        raise ConfigError(
            f"params.yaml: train.batch_size: {params.batch_size} is no multiple of train.micro_batch_size "
            f"= {params.micro_batch_size}; change one of them"
        )
    return params.batch_size // params.micro_batch_size


def _reference(
    policy: Any, rows: list[TokenisedPair], fingerprint: str, params: TrainParams, work: Path
) -> ReferenceLogps:
    return reference_logps(
        policy,
        rows,
        work / "reference",
        reference_key(rows, fingerprint, params.bf16),
        batch_size=2 * params.micro_batch_size,
        bf16=params.bf16,
    )


def _arguments(params: TrainParams, objective: ObjectiveName, accumulation: int, pairs: int, folder: Path) -> DPOConfig:
    steps = max(1, -(-pairs // params.batch_size) * params.epochs)
    return DPOConfig(
        output_dir=str(folder),
        beta=params.beta,
        learning_rate=params.objectives[objective].learning_rate,
        num_train_epochs=params.epochs,
        per_device_train_batch_size=params.micro_batch_size,
        gradient_accumulation_steps=accumulation,
        lr_scheduler_type="cosine",
        warmup_steps=int(params.warmup_ratio * steps),
        bf16=params.bf16,
        activation_checkpointing=params.gradient_checkpointing,
        seed=params.seed,
        data_seed=params.seed,
        max_length=None,  # the pairs come cut to length
        precompute_ref_log_probs=True,  # no second model in memory: the reference is in the data
        logging_steps=_LOGGING_STEPS,
        save_strategy="steps",
        save_steps=max(1, steps // _SAVES_PER_RUN),
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.cuda.is_available(),
    )


def _save(trainer: FocalDPOTrainer, out: Path) -> None:
    partial = out.with_name(f".{out.name}.partial")
    for folder in (partial, out):
        if folder.exists():
            shutil.rmtree(folder)
    trainer.save_model(str(partial))
    (partial / "training_args.bin").unlink(missing_ok=True)  # a pickle with paths and times; params.yaml says it all
    partial.replace(out)


def _write_curve(path: Path, history: list[dict[str, float]]) -> None:
    """One row per logged step; the columns are those that the objective has."""
    rows = [entry for entry in history if "loss" in entry]
    columns = [name for name in _CURVE + _REWARDS if any(name in entry for entry in rows)]
    with atomic_writer(path) as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _metrics(rows: list[TokenisedPair], loss: float, state: Any) -> dict[str, float]:
    logged: dict[str, float] = next((entry for entry in reversed(state.log_history) if "loss" in entry), {})
    rejected = sum(len(row.rejected_ids) for row in rows)
    return {
        "pairs": float(len(rows)),
        "steps": float(state.global_step),
        "loss": float(loss),
        **{name: float(logged[name]) for name in _REWARDS if name in logged},
        "focal_token_share": sum(sum(row.focal) for row in rows) / rejected,
        "pairs_without_focal_tokens": float(sum(not any(row.focal) for row in rows)),
        "focal_tokens_cut": float(sum(row.cut for row in rows)),
    }
