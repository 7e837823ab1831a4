"""Stage `training`: focal preference training of one objective."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset
from transformers import PreTrainedModel

from iterpref_core.config import PromptStyle, TrainingParams
from iterpref_core.errors import TrainingError
from iterpref_core.inference.local.checkpoint_checks import check_checkpoint
from iterpref_core.inference.local.checkpoints import locate_model
from iterpref_core.inference.local.fingerprint import model_fingerprint
from iterpref_core.inference.local.model_lineage import read_lineage, training_versions
from iterpref_core.inference.local.precision import uses_bf16
from iterpref_core.inference.local.tokenizers import load_tokenizer
from iterpref_core.inference.local.weights import load_model
from iterpref_core.objectives.objectives import Objective, find_objective
from iterpref_core.records import FocalSpans, ModelLineage
from iterpref_core.storage.file_digest import file_md5
from iterpref_core.storage.jsonl import read_jsonl
from iterpref_core.training.attention import choose_attention
from iterpref_core.training.callbacks import Forward, LogLastStep, OnLog, ShowSteps
from iterpref_core.training.checkpoint import last_checkpoint, run_key
from iterpref_core.training.checks import PairChecks, report_findings
from iterpref_core.training.exactness import check_exactness
from iterpref_core.training.export_model import find_license
from iterpref_core.training.launch import launch_training
from iterpref_core.training.layouts import Collator
from iterpref_core.training.pair_table import PairTable, open_pair_table
from iterpref_core.training.prepared_trainer import prepare_trainer, training_arguments
from iterpref_core.training.ranks import accumulation_steps, is_launched, join_processes, sharding, whole_models
from iterpref_core.training.reference import reference_key, reference_logps
from iterpref_core.training.trained_model import REWARDS, check_out, write_curve, write_model
from iterpref_core.training.trainer import DivergedError, FocalDPOTrainer
from iterpref_core.training.validation import held_out

logger = logging.getLogger(__name__)


def train_objective(
    pairs: Path,
    spans: Path,
    model: Path | str,
    objective: str,
    params: TrainingParams,
    out: Path,
    curve: Path,
    work: Path,
    on_log: OnLog | None = None,
    prompt: PromptStyle = "auto",
) -> dict[str, float]:
    """Train a model with one objective; a killed run resumes from its last checkpoint.

    Called in every process of `accelerate launch`, it trains in all of them together.

    Args:
        pairs: preference pairs.
        spans: error regions; pairs without a record there take no part.
        model: the model to start from, which is also the reference; a folder or hub id.
        objective: a row of `OBJECTIVES`.
        params: settings; with `accelerate` this process starts others, which train.
        out: folder for the trained checkpoint.
        curve: CSV of the training curve, one row per logged step.
        work: folder for checkpoints, tokenized pairs and reference log-probabilities, kept outside of `out`.
        on_log: called with (metrics, step) while training runs.
        prompt: whether the model reads prompts in its chat template; the trained model keeps to it.

    Returns:
        `pairs`, `steps`, `model_step` (whose weights were written), `loss` (mean over the run), last values of the
        rewards, `focal_token_share` (of the rejected tokens), `pairs_without_focal_tokens`, `focal_tokens_cut` by
        `max_length`, and as `data/...` the numbers of `checks.PairChecks`. With validation `validation_pairs` and
        `validation/loss` (of the weights that were written). Where training diverged `stopped/<reason>`: the step that
        showed it.

    Raises:
        ConfigError: there is no such objective, settings do not fit each other or the number of processes, or the
            model cannot take the layout `fork`, or `accelerate` cannot be used here.
        InputError: pairs, spans or model cannot be used, the objective needs D- and too little of it is there, or `out`
            holds something other than a model of this objective.
        TrainingError: training diverged before its first checkpoint.
    """
    row = find_objective(objective, params.objectives)
    check_out(out, objective)
    params = params.model_copy(update={"bf16": uses_bf16(params.bf16, "cuda" if torch.cuda.is_available() else "cpu")})
    model = check_checkpoint(model, prompt, trained=True)
    if params.accelerate and not is_launched():
        alone = params.model_copy(update={"accelerate": None}).model_dump(mode="json")
        paths = {"pairs": pairs, "spans": spans, "model": model, "out": out, "curve": curve, "work": work}
        request = {"objective": objective, "params": alone, "prompt": prompt}
        return launch_training(
            Path(params.accelerate), request | {name: str(path) for name, path in paths.items()}, on_log
        )
    processes = join_processes()
    accumulation = accumulation_steps(params, processes.num_processes)
    tokenizer = load_tokenizer(model, prompt)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    fingerprint = model_fingerprint(model, prompt)
    rows = open_pair_table(pairs, spans, tokenizer, fingerprint, params, work / "pairs")
    held = np.array(held_out(rows.task_ids, params, processes.num_processes))
    key = run_key(pairs, spans, fingerprint, objective, params)
    checkpoints = work / "checkpoints" / f"{objective}-{key}{sharding(processes)}"
    report_findings(rows.checks.findings(params), needs_focal=row.regional)
    arguments = training_arguments(params, row, accumulation, int(np.sum(~held)), checkpoints)
    policy = _load_policy(model, params)
    trainer = prepare_trainer(
        policy,
        tokenizer,
        rows,
        held,
        row,
        params,
        arguments,
        partial(_reference, policy, model, rows, row, fingerprint, params, work, processes),
        processes,
        callbacks=[LogLastStep(), *([Forward(on_log)] if on_log and processes.is_main_process else ())],
    )
    diverged = _train(trainer, checkpoints, f"train {objective}")
    chosen = _choose(trainer, checkpoints, diverged, params)
    metrics = _metrics(rows.checks, int(held.sum()), trainer, chosen, diverged)
    write_model(trainer, model, out, _lineage(pairs, spans, model, objective, row, params, prompt, metrics))
    if processes.is_main_process:
        write_curve(curve, trainer.state.log_history, chosen)
        shutil.rmtree(checkpoints, ignore_errors=True)
    processes.wait_for_everyone()
    return metrics | rows.checks.metrics() | {"bf16": float(params.bf16 is True)}


def _load_policy(model: Path | str, params: TrainingParams) -> PreTrainedModel:
    """Frozen weights may stay as they are; trained ones would lose small updates in bfloat16."""
    policy = load_model(model)
    return policy.float() if params.weights == "float32" and not params.lora_rank else policy


def _train(trainer: FocalDPOTrainer, checkpoints: Path, label: str) -> DivergedError | None:
    """Train to the end, from the last checkpoint if there is one; returns why it ended before, if it did."""
    resume = last_checkpoint(checkpoints)
    with ExitStack() as opened:
        trainer.add_callback(ShowSteps(label, opened))
        try:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        except DivergedError as error:
            return error
    return None


def _choose(trainer: FocalDPOTrainer, checkpoints: Path, diverged: DivergedError | None, params: TrainingParams) -> int:
    """Load the checkpoint that becomes the model, unless the trainer holds it; returns its step.

    Raises:
        TrainingError: training diverged before its first checkpoint.
    """
    last = last_checkpoint(checkpoints)
    best = trainer.state.best_model_checkpoint if params.select == "best" else None
    if diverged:
        advice = "lower the learning rate" + (" or raise training.max_margin" if diverged.reason == "margin" else "")
        if last is None:
            raise TrainingError(
                f"training diverged: {diverged}, before its first checkpoint, so there is no model; {advice}"
            )
        if trainer.accelerator.is_main_process:
            logger.warning("training diverged: %s; an earlier checkpoint becomes the model; %s", diverged, advice)
    elif best is None:
        return int(trainer.state.global_step)
    folder = Path(best) if best else last
    assert folder is not None
    trainer.load_weights(folder)
    return int(folder.name.rpartition("-")[2])


def _reference(
    policy: PreTrainedModel,
    model: Path | str,
    rows: PairTable,
    objective: Objective,
    fingerprint: str,
    params: TrainingParams,
    work: Path,
    processes: PartialState,
    collator: Collator,
) -> Dataset | None:
    """The policy before training is the reference; of several processes each may hold but a part of it."""

    def load() -> PreTrainedModel:
        if processes.num_processes == 1:
            return policy.to(processes.device)
        with whole_models():
            whole = _load_policy(model, params).to(processes.device)
        if params.layout == "fork":
            choose_attention(whole, max(rows.checks.lengths["pair"]))  # the policy's own, whose rounding it shares
        check_exactness(whole, collator, params.layout)
        return whole

    if not objective.preference:
        load()  # which checks what the policy alone could not
        return None
    return reference_logps(
        load,
        rows,
        work / "reference",
        reference_key(rows.tokens, fingerprint, policy.dtype, params.bf16 is True),
        batch_size=2 * params.micro_batch_size,
        bf16=params.bf16 is True,
        processes=processes,
    )


def _lineage(
    pairs: Path,
    spans: Path,
    model: Path | str,
    objective: str,
    row: Objective,
    params: TrainingParams,
    prompt: PromptStyle,
    metrics: Mapping[str, float],
) -> ModelLineage:
    source = locate_model(model)
    folder = Path(source.name_or_path)
    settings = params.model_dump(mode="json", exclude={"accelerate", "objectives"}) | row.values()
    return ModelLineage(
        base=folder.resolve().name if folder.is_dir() else source.name_or_path,
        revision=source.revision,
        base_weights=model_fingerprint(model),
        license=find_license(str(folder)) if folder.is_dir() else None,
        objective=objective,
        settings=settings | {"prompt": prompt},
        pairs=int(metrics["pairs"]),
        steps=int(metrics["steps"]),
        model_step=int(metrics["model_step"]),
        localization=tuple(sorted({item.method for item in read_jsonl(spans, FocalSpans)})),
        data={"pairs": file_md5(pairs), "spans": file_md5(spans)},
        versions=training_versions(),
        before=read_lineage(folder),
    )


def _metrics(
    checks: PairChecks,
    held: int,
    trainer: FocalDPOTrainer,
    chosen: int,
    diverged: DivergedError | None,
) -> dict[str, float]:
    history: list[dict[str, float]] = trainer.state.log_history
    last: dict[str, float] = next((entry for entry in reversed(history) if "loss" in entry), {})
    scored = [entry for entry in history if "eval_loss" in entry and entry["step"] == chosen]
    metrics = {
        "pairs": float(checks.pairs - held),
        "steps": float(trainer.state.global_step),
        "model_step": float(chosen),
        "loss": _mean_loss(history),
        **{name: float(last[name]) for name in REWARDS if name in last},
        "focal_token_share": checks.tokens_focal / checks.tokens_rejected,
        "pairs_without_focal_tokens": float(checks.focal_empty + checks.focal_lost),
        "focal_tokens_cut": float(checks.tokens_focal_cut),
    }
    if scored:
        metrics |= {"validation_pairs": float(held), "validation/loss": float(scored[-1]["eval_loss"])}
    return metrics | ({f"stopped/{diverged.reason}": float(diverged.step)} if diverged else {})


def _mean_loss(history: Sequence[Mapping[str, float]]) -> float:
    """Mean over all steps, those before a resume included: each logged loss is the mean since the one before."""
    total = step = 0.0
    for entry in history:
        if "loss" in entry:
            total, step = total + entry["loss"] * (entry["step"] - step), entry["step"]
    return total / step if step else 0.0
