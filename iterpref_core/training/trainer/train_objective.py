"""Train a model with one objective, as stage `training` does."""

import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from torch.utils.data import Subset
from transformers import PreTrainedTokenizerBase, PrinterCallback, TrainingArguments

from iterpref_core.models.pretrained.checkpoints import locate_model
from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from iterpref_core.models.pretrained.lineage import read_lineage, training_versions
from iterpref_core.models.pretrained.tokenizers import load_chat_template
from iterpref_core.models.pretrained.weights import check_checkpoint, uses_bf16
from iterpref_core.records import (
    InputError,
    ModelError,
    ModelLineage,
    Params,
    PromptFormat,
    TrainingError,
    TrainingParams,
    TrainingResult,
)
from iterpref_core.storage.data_card import find_license

from ..data.held_out import held_out
from ..data.measures import report_findings
from ..data.steps import accumulation_steps
from ..data.tokenized_dataset import TokenizedDataset, open_tokenized_dataset
from ..launch import COMMIT_VARIABLE
from ..model.model_limits import limit_findings
from ..model.parity import exact_layout
from ..model.policy import adapter_options, check_load, load_policy
from ..model.ranks import join_processes, launched_precision, sharding
from ..model.reference import TIMES_IN_REFERENCE, has_scores, load_reference, reference_logps, reference_path
from ..objectives.objective_settings import ObjectiveSettings, settings_of
from .checkpoint import last_checkpoint, run_key, step_of
from .curve import REWARDS, OnLog, ReportProgress, mean_loss, write_curve
from .early_end import DivergedError, EndedError, is_patience_over
from .focal_trainer import FocalTrainer
from .settings import check_settings, training_arguments
from .trained_model import check_out, write_model

logger = logging.getLogger(__name__)


def train_student(params: Params, objective: str, *, model: Any, **files: Any) -> TrainingResult:
    """Train with one objective (stage `training`); checkpoints let a killed run resume.

    Args:
        params: all parameters; `training.start` replaces the model.
        objective: a row of `OBJECTIVES`.
        model: folder or hub id of the model to start from.
        files: as in `train_objective`.
    """
    return train_objective(
        model=params.training.start or model,
        objective=objective,
        params=params.training,
        prompt=params.model.student_format,
        commit=os.environ.get(COMMIT_VARIABLE) or None,
        **files,
    )


def train_objective(
    pairs: Path | str,
    model: Path | str,
    objective: str,
    params: TrainingParams,
    out: Path | str,
    curve: Path | str,
    scratch: Path | str,
    on_log: OnLog | None = None,
    prompt: PromptFormat | None = None,
    commit: str | None = None,
) -> TrainingResult:
    """Train a model with one objective; a killed run resumes from its last checkpoint.

    Training runs in this process. Called in every process of `accelerate launch`, it runs in all of them together.

    Args:
        pairs: JSONL of pairs, with their error regions if the objective needs D-.
        model: the model to start from, which is also the reference unless `params.reference` names another; a folder
            or hub id.
        objective: a row of `OBJECTIVES`.
        params: settings; with `accelerate` several processes have to run this.
        out: folder for the trained checkpoint.
        curve: CSV of the training curve, one row per logged step.
        scratch: folder for checkpoints, tokenized pairs and reference log-probabilities, kept outside of `out`.
        on_log: called with (metrics, step) while training runs.
        prompt: how the model reads prompts; the trained model keeps to it.
        commit: of the code, for the model's record.

    Raises:
        ConfigError: the objective is unknown, settings do not fit each other or the number of processes, or the
            `accelerate` is set and this process is alone.
        InputError: rows or model cannot be used, the objective needs D- and too little of it is there, or `out`
            holds something other than a model of this objective, or another path of this training lies in it.
        TrainingError: training diverged before its first checkpoint.
    """
    prompt = prompt or PromptFormat()
    resolved = settings_of(objective, params)
    pairs, out, curve, scratch = map(Path, (pairs, out, curve, scratch))
    _check_places({"pairs": pairs, "curve": curve, "scratch": scratch}, out)
    check_out(out, objective)
    bf16 = uses_bf16(params.bf16, "cuda" if torch.cuda.is_available() else "cpu")
    params = params.model_copy(update={"bf16": launched_precision(bf16=bf16)})
    # The model is looked at before processes wait for each other.
    model = check_checkpoint(model, prompt)
    processes = join_processes(params.accelerate)
    check_load(model, params)
    check_settings(params)
    adapter_options(model, params)
    accumulation = accumulation_steps(params, processes.num_processes)

    template = load_chat_template(model, prompt)
    fingerprint = model_fingerprint(model, prompt)
    rows = open_tokenized_dataset(pairs, template, fingerprint, params, scratch / "pairs")
    reference = params.reference and check_checkpoint(params.reference, prompt)
    scored_by = model_fingerprint(reference, prompt) if reference else fingerprint
    report_findings(rows.checks.replay_findings(resolved.row))
    numbers = rows.checks.read_by(resolved.row)
    problems = [rows.problems[number] for number in numbers]
    marked = (rows.checks["validation"][numbers] > 0).tolist()
    is_held_out = np.array(held_out(problems, params, processes.num_processes, marked))
    report_findings(limit_findings(model, rows.checks))
    report_findings(rows.checks.findings(params, validated=is_held_out.sum(), regional=resolved.row.regional))

    # The folder's name has the digest of all that decides the weights, and how processes share them.
    key = run_key(rows.digests, fingerprint if reference is None else fingerprint + scored_by, objective, params)
    checkpoints = scratch / "checkpoints" / f"{objective}-{key}{sharding(processes)}"
    _name_others(checkpoints, objective)
    parts = numbers[~is_held_out], numbers[is_held_out]
    arguments = training_arguments(
        params, resolved, accumulation, len(parts[0]), checkpoints, validated=bool(len(parts[1]))
    )
    trainer = _make_trainer(model, template.tokenizer, rows, parts, arguments, resolved, params)
    resume = last_checkpoint(checkpoints)
    if resolved.row.preference:
        layout = trainer.data_collator.layout
        scores = reference_path(
            scratch / "reference", rows, scored_by, params, trainer.model, sharding(processes), layout
        )
        if not has_scores(scores):
            # Training starts anew: the weights of a checkpoint would be their own reference.
            resume = None
        trainer.before_training.append(partial(_score, trainer, rows, scores, reference, processes))
    diverged = _train(trainer, resume, f"train {objective}", curve, on_log)
    step = _choose_weights(trainer, diverged, last_checkpoint(checkpoints))

    result = _result(rows, parts, trainer, step, diverged)
    settings = prompt.parameters | {"layout": trainer.data_collator.layout}
    lineage = _lineage(model, resolved, params, settings, result, rows.methods, rows.digests, commit)
    share = write_model(trainer, model, out, lineage, params)
    if processes.is_main_process:
        write_curve(curve, trainer.state.log_history, step)
        shutil.rmtree(checkpoints, ignore_errors=True)
    processes.wait_for_everyone()
    return result.model_copy(update={"bf16": float(params.bf16 is True), "surviving_change": share})


def _name_others(checkpoints: Path, objective: str) -> None:
    """Warn of the checkpoints of this objective's other runs, which may fill the disk."""
    found = checkpoints.parent.glob(f"{objective}-{'[0-9a-f]' * 16}*")
    others = [str(path) for path in found if path != checkpoints]
    if others:
        logger.warning("checkpoints of other runs of %s stay until you remove them: %s", objective, ", ".join(others))


def _check_places(places: Mapping[str, Path], out: Path) -> None:
    """Refuse a path in the folder of the trained model.

    Raises:
        InputError: it lies there.
    """
    for name, path in places.items():
        if path.resolve().is_relative_to(out.resolve()):
            raise InputError(
                f"{path}: {name} lies in {out}, which the trained model replaces as a whole; choose another path"
            )


def _make_trainer(
    model: Path | str,
    tokenizer: PreTrainedTokenizerBase,
    rows: TokenizedDataset,
    parts: tuple[np.ndarray, np.ndarray],
    arguments: TrainingArguments,
    own: ObjectiveSettings,
    params: TrainingParams,
) -> FocalTrainer:
    """Return the trainer for two parts of the rows, which it trains on and which are held out for validation.

    Raises:
        ConfigError: the model cannot take the layout, or its adapters would change the objective.
        ModelError: training would not compute the log-probabilities of the model's own logits.
    """
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    policy = load_policy(model, params, arguments.device)
    # Rows stay in one file; training and validation are two lists of their numbers.
    sequence: Any = rows  # which Subset takes as it takes a Dataset
    trained, validation = (Subset(sequence, part.tolist()) for part in parts)
    longest = int(rows.checks.row_tokens.max())
    trainer = FocalTrainer(policy, arguments, trained, longest, tokenizer, own, params, validation)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _score(
    trainer: FocalTrainer,
    rows: TokenizedDataset,
    scores: Path,
    reference: Path | str | None,
    processes: PartialState,
) -> None:
    """Give the pairs the log-probabilities of the reference: the model as it is now, or another one."""
    params = trainer.params
    scored, config, collator = trainer.model_wrapped, trainer.model.config, trainer.data_collator
    if reference and not scores.exists():
        scored = load_reference(reference, params, trainer.args.device, trainer.processing_class)
        config = scored.config
        # The policy was tried, and another model has layers of its own, such as a window.
        try:
            report_findings(limit_findings(reference, rows.checks))
            layout = exact_layout(scored, collator.layout, int(rows.checks.row_tokens.max()))
        except InputError as error:
            raise ModelError(f"training.reference: {error}") from None
        collator = replace(collator, layout=layout)
    size = TIMES_IN_REFERENCE * params.micro_batch_size
    # A model that the trainer has prepared does this by itself.
    with trainer.accelerator.autocast() if reference else nullcontext():
        rows.reference = reference_logps(
            scored, config, rows, scores, collator=collator, size=size, processes=processes
        )


def _train(
    trainer: FocalTrainer, resume: Path | None, label: str, curve: Path, on_log: OnLog | None
) -> DivergedError | None:
    """Train from a checkpoint, or from the beginning, and return the error if training diverged."""
    with ExitStack() as opened:
        trainer.add_callback(ReportProgress(label, opened, curve, on_log))
        try:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        except EndedError:
            return None
        except DivergedError as error:
            return error
    return None


def _choose_weights(trainer: FocalTrainer, diverged: DivergedError | None, last: Path | None) -> int:
    """Load the checkpoint that becomes the model, unless the trainer holds it, and return its step.

    Args:
        trainer: which has trained.
        diverged: the error that ended training, if any: an earlier checkpoint becomes the model.
        last: the newest checkpoint, from before the step that diverged.

    Raises:
        TrainingError: training diverged before its first checkpoint.
    """
    # Validation chooses first; a divergence takes the newest checkpoint without it.
    best = trainer.state.best_model_checkpoint if trainer.params.select == "best" else None
    folder = Path(best) if best else None
    if diverged:
        advice = "lower the learning rate (or raise training.max_margin, if the margin ended it)"
        if last is None:
            raise TrainingError(
                f"training diverged: {diverged}, before its first checkpoint, so a model is missing; {advice}"
            )
        if trainer.is_world_process_zero():
            logger.warning("training diverged: %s; an earlier checkpoint becomes the model; %s", diverged, advice)
        folder = folder or last
    if folder is None:
        return int(trainer.state.global_step)
    trainer.load_weights(folder)
    return step_of(folder)


def _lineage(
    model: Path | str,
    own: ObjectiveSettings,
    params: TrainingParams,
    settings: Mapping[str, Any],
    result: TrainingResult,
    localization: tuple[str, ...],
    data: Mapping[str, str],
    commit: str | None,
) -> ModelLineage:
    source = locate_model(model)
    folder = Path(source.adapters or source.name_or_path)
    decided = own.deciding(params)
    return ModelLineage(
        # The path depends on this machine, the name on the model.
        base=folder.resolve().name if folder.is_dir() else source.name_or_path,
        revision=source.revision,
        base_weights=model_fingerprint(model),
        license=find_license(source.name_or_path, "model"),
        before=read_lineage(folder),
        objective=own.name,
        settings=decided | dict(settings),
        pairs=result.pairs,
        replay=result.replay,
        steps=result.steps,
        model_step=result.model_step,
        localization=localization,
        data=dict(data),
        versions=training_versions(),
        commit=commit,
    )


def _result(
    rows: TokenizedDataset,
    parts: tuple[np.ndarray, np.ndarray],
    trainer: FocalTrainer,
    step: int,
    diverged: DivergedError | None,
) -> TrainingResult:
    """Return the numbers of a training, without the numbers of the written weights."""
    # Why training ended early, with the step.
    stopped = {diverged.reason: diverged.step} if diverged else {}
    if is_patience_over(trainer.state.log_history, trainer.params.early_stopping_patience):
        stopped["patience"] = trainer.state.global_step
    history: list[dict[str, float]] = trainer.state.log_history
    # The last steps may have had programs alone.
    last: dict[str, float] = next((entry for entry in reversed(history) if REWARDS[0] in entry), {})
    # The loss of the step that becomes the model, which is not always the last.
    scored = [entry["eval_loss"] for entry in history if "eval_loss" in entry and entry["step"] == step]
    checks = rows.checks
    trained, held = parts
    pairs = int(checks.is_pair[trained].sum())
    return TrainingResult(
        pairs=pairs,
        replay=len(trained) - pairs or None,
        steps=trainer.state.global_step,
        model_step=step,
        loss=mean_loss(history),
        rewards={name.removeprefix("rewards/"): last[name] for name in REWARDS if name in last},
        focal_token_share=float(checks["focal_tokens"].sum() / max(checks["rejected_tokens"].sum(), 1)),
        data=checks.numbers(),
        validation_pairs=len(held) if scored else None,
        validation={"loss": scored[-1]} if scored else None,
        stopped=stopped or None,
    )
