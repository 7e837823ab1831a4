"""Stage `training`: focal preference training of one objective."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from peft import PeftModel
from torch.utils.data import Subset
from transformers import (
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
)

from iterpref_core.config import PromptFormat, TrainingParams
from iterpref_core.errors import ConfigError, ModelError
from iterpref_core.models.fingerprint import model_fingerprint
from iterpref_core.models.lineage import training_versions
from iterpref_core.models.tokenizers import load_chat_template
from iterpref_core.models.weights import check_checkpoint, uses_bf16
from iterpref_core.objectives.objective_table import (
    Objective,
    find_objective,
    find_rates,
)
from iterpref_core.records import ModelLineage
from iterpref_core.training.checkpoint import last_before_divergence, last_checkpoint, run_key, step_of
from iterpref_core.training.data.checks import PairChecks, report_findings
from iterpref_core.training.data.pair_files import PairFiles, digest_files
from iterpref_core.training.data.pair_table import (
    PairTable,
    held_out,
    open_pair_table,
)
from iterpref_core.training.data.steps import accumulation_steps
from iterpref_core.training.model.attention import choose_attention
from iterpref_core.training.model.exactness import check_exactness
from iterpref_core.training.model.model_limits import check_limits, read_limits
from iterpref_core.training.model.policy import (
    adapter_options,
    adapters_refused,
    check_load,
    is_quantized,
    load_policy,
    lora_config,
)
from iterpref_core.training.model.ranks import (
    is_sharded,
    join_processes,
    sharding,
)
from iterpref_core.training.model.reference import (
    reference_logps,
    reference_path,
)
from iterpref_core.training.origin import describe_origin
from iterpref_core.training.settings import check_settings, training_arguments
from iterpref_core.training.trained_model import (
    REWARDS,
    OnLog,
    TellProgress,
    check_out,
    write_curve,
    write_model,
)
from iterpref_core.training.trainer import DivergedError, FocalDPOTrainer

logger = logging.getLogger(__name__)


def train_objective(
    pairs: Path,
    spans: Path,
    model: Path | str,
    objective: str,
    params: TrainingParams,
    out: Path,
    curve: Path,
    scratch: Path,
    on_log: OnLog | None = None,
    prompt: PromptFormat | None = None,
) -> dict[str, float]:
    """Train a model with one objective; a killed run resumes from its last checkpoint.

    Training runs in this process. Called in every process of `accelerate launch`, it runs in all of them together.

    Args:
        pairs: preference pairs.
        spans: error regions; pairs without a record there take no part.
        model: the model to start from, which is also the reference; a folder or hub id.
        objective: a row of `OBJECTIVES`.
        params: settings; with `accelerate` this has to be one of several processes.
        out: folder for the trained checkpoint.
        curve: CSV of the training curve, one row per logged step.
        scratch: folder for checkpoints, tokenized pairs and reference log-probabilities, kept outside of `out`.
        on_log: called with (metrics, step) while training runs.
        prompt: the form in which the model reads prompts; the trained model keeps to it.

    Returns:
        `pairs`, `steps`, `model_step` (whose weights were written), `loss` (mean over the run), last values of the
        rewards, `focal_token_share` (of the rejected tokens), `pairs_without_focal_tokens`, `focal_tokens_cut` by
        `max_length`, and as `data/...` the numbers of `checks.PairChecks`. `surviving_change` is the share of the
        weights' change that rounding to the written precision left. With validation `validation_pairs` and
        `validation/loss` (of the weights that were written). Where training diverged `stopped/<reason>`: the step that
        showed it.

    Raises:
        ConfigError: there is no such objective, settings do not fit each other or the number of processes, or the
            model cannot take the layout `fork`, or `accelerate` is set and this process is alone.
        InputError: pairs, spans or model cannot be used, the objective needs D- and too little of it is there, or `out`
            holds something other than a model of this objective.
        TrainingError: training diverged before its first checkpoint.
    """
    prompt = prompt or PromptFormat()
    row = find_objective(objective, params.objectives)
    learning_rate, alpha = find_rates(objective, params.objectives)
    check_out(out, objective)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    params = params.model_copy(update={"bf16": uses_bf16(params.bf16, device)})
    model = check_checkpoint(model, prompt)
    processes = join_processes(params.accelerate)
    check_settings(params)
    check_load(params)
    adapter_options(model, params)
    accumulation = accumulation_steps(params, processes.num_processes)
    template = load_chat_template(model, prompt)
    tokenizer = template.tokenizer
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    fingerprint = model_fingerprint(model, prompt)
    limits = read_limits(model)
    files = digest_files(pairs, spans)
    rows = open_pair_table(files, template, fingerprint, params, scratch / "pairs")
    held = np.array(held_out(rows.problems, params, processes.num_processes))
    beyond = check_limits(limits, rows.checks)
    report_findings([*rows.checks.findings(params), *beyond], needs_focal=row.regional)
    key = run_key(files, fingerprint, objective, params)
    checkpoints = scratch / "checkpoints" / f"{objective}-{key}{sharding(processes)}"
    trained_pairs = int(np.sum(~held))
    arguments = training_arguments(params, learning_rate, accumulation, trained_pairs, checkpoints)
    trainer = _make_trainer(
        model=model,
        tokenizer=tokenizer,
        rows=rows,
        held=held,
        objective=row,
        alpha=alpha,
        params=params,
        arguments=arguments,
    )
    reference = None
    if row.scores_reference:
        reference = reference_path(
            cache=scratch / "reference",
            tokens=rows.checks.tokens,
            fingerprint=fingerprint,
            weights=trainer.model.dtype,
            bf16=params.bf16 is True,
            load=params.load,
        )
    trainer.add_callback(_Begin(trainer, rows, reference, params, processes))
    # Before the reference is scored, nothing is resumed: the weights of a checkpoint would be their own reference.
    scored = reference is None or reference.exists()
    resume = last_checkpoint(checkpoints) if scored else None
    diverged = _run(trainer, resume, f"train {objective}", curve, on_log)
    chosen = _choose(trainer, checkpoints, diverged, params)
    metrics = _metrics(rows.checks, int(held.sum()), trainer, chosen, diverged)
    lineage = _lineage(
        files=files,
        checks=rows.checks,
        model=model,
        objective=objective,
        row=row,
        params=params,
        prompt=prompt,
        metrics=metrics,
    )
    share = write_model(
        trainer,
        model,
        out,
        lineage,
        merge=params.merge,
        save_dtype=params.save_dtype,
    )
    if processes.is_main_process:
        write_curve(curve, trainer.state.log_history, chosen)
        shutil.rmtree(checkpoints, ignore_errors=True)
    processes.wait_for_everyone()
    return metrics | {
        "bf16": float(params.bf16 is True),
        "surviving_change": share,
    }


class _Begin(TrainerCallback):
    """The work before the first step: sharded weights are checked, and the reference is scored by these weights.

    Args:
        trainer: holds the model.
        rows: the pairs, which get the reference.
        reference: the file of the reference's log-probabilities; None for an objective without a reference.
        params: settings.
        processes: the processes that train.
    """

    def __init__(
        self,
        trainer: FocalDPOTrainer,
        rows: PairTable,
        reference: Path | None,
        params: TrainingParams,
        processes: PartialState,
    ) -> None:
        self._trainer = trainer
        self._rows = rows
        self._reference = reference
        self._params = params
        self._processes = processes

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Check and score the model, which the trainer has sharded by now if it is to be."""
        prepared = self._trainer.model_wrapped
        if is_sharded():
            dtype = torch.bfloat16 if self._params.bf16 else None
            check_exactness(self._trainer.model, self._params.layout, prepared, dtype)
        if self._reference is not None:
            self._rows.reference = reference_logps(
                prepared,
                self._rows,
                self._reference,
                batch_size=2 * self._params.micro_batch_size,
                processes=self._processes,
            )


def _make_trainer(
    model: Path | str,
    tokenizer: PreTrainedTokenizerBase,
    rows: PairTable,
    held: np.ndarray,
    objective: Objective,
    alpha: float,
    params: TrainingParams,
    arguments: TrainingArguments,
) -> FocalDPOTrainer:
    """Make the trainer, with the pairs that are held out for validation; its model is tried where it is whole.

    Raises:
        ConfigError: the model cannot take the layout, or PEFT has no adapters for it.
        ModelError: training would not compute the log-probabilities of the model's own logits.
    """
    policy = load_policy(model, params, arguments.device)
    if params.layout == "fork":
        choose_attention(policy, int(rows.totals.max()))
    # Eight bits are those of one batch's largest numbers, so they round as half precision does.
    rounded = torch.float16 if params.load == "8bit" else None
    if not is_sharded():
        placed = policy if is_quantized(policy) else policy.to(arguments.device)
        check_exactness(placed, params.layout, dtype=rounded)
    data: Any = rows  # a sequence, which Subset takes as it takes a Dataset
    trained: Any = data
    validation: Any = None
    if held.any():
        trained = Subset(data, np.flatnonzero(~held).tolist())
        validation = Subset(data, np.flatnonzero(held).tolist())
    try:
        trainer = FocalDPOTrainer(
            policy,
            arguments,
            trained,
            tokenizer,
            eval_dataset=validation,
            objective=objective,
            beta=params.beta,
            alpha=alpha,
            layout=params.layout,
            nll=params.nll,
            max_margin=params.max_margin,
            peft_config=None if isinstance(policy, PeftModel) else lora_config(params),
        )
        if params.lora is not None and not is_sharded():
            check_exactness(trainer.model, params.layout, dtype=rounded)
    except (ValueError, ConfigError, ModelError) as error:
        if params.lora is None:
            raise
        raise adapters_refused(error) from None
    trainer.remove_callback(PrinterCallback)
    return trainer


def _run(
    trainer: FocalDPOTrainer,
    resume: Path | None,
    title: str,
    curve: Path,
    on_log: OnLog | None,
) -> DivergedError | None:
    """Train from the beginning, or from the checkpoint `resume`; return the error if training diverged."""
    with ExitStack() as opened:
        trainer.add_callback(TellProgress(title, opened, curve, on_log))
        try:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        except DivergedError as error:
            return error
    return None


def _choose(
    trainer: FocalDPOTrainer,
    checkpoints: Path,
    diverged: DivergedError | None,
    params: TrainingParams,
) -> int:
    """Load the checkpoint that becomes the model, unless the trainer holds it, and return its step.

    Raises:
        TrainingError: training diverged before its first checkpoint.
    """
    best = trainer.state.best_model_checkpoint if params.select == "best" else None
    if diverged:
        advice = "lower the learning rate"
        if diverged.reason == "margin":
            advice += " or raise training.max_margin"
        main = trainer.accelerator.is_main_process
        last = last_before_divergence(checkpoints, diverged, advice, tell=main)
        folder = Path(best) if best else last
    elif best:
        folder = Path(best)
    else:
        return int(trainer.state.global_step)
    trainer.load_weights(folder)
    return step_of(folder)


def _lineage(
    files: PairFiles,
    checks: PairChecks,
    model: Path | str,
    objective: str,
    row: Objective,
    params: TrainingParams,
    prompt: PromptFormat,
    metrics: Mapping[str, float],
) -> ModelLineage:
    learning_rate, alpha = find_rates(objective, params.objectives)
    settings = params.model_dump(mode="json", exclude={"accelerate", "grpo", "objectives", "start"})
    settings |= row.values()
    settings["learning_rate"] = learning_rate
    settings["alpha"] = alpha
    return ModelLineage(
        **describe_origin(model),
        objective=objective,
        settings=settings | prompt.parameters,
        pairs=int(metrics["pairs"]),
        steps=int(metrics["steps"]),
        model_step=int(metrics["model_step"]),
        localization=checks.methods,
        data=dict(files.digests),
        versions=training_versions(),
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
    counts = checks.counts()
    metrics = {
        "pairs": float(len(checks) - held),
        "steps": float(trainer.state.global_step),
        "model_step": float(chosen),
        "loss": _mean_loss(history),
    }
    for name in REWARDS:
        if name in last:
            metrics[name] = float(last[name])
    metrics["focal_token_share"] = float(checks["focal"].sum() / checks["rejected"].sum())
    metrics["pairs_without_focal_tokens"] = float(counts["focal_empty"] + counts["focal_lost"])
    metrics["focal_tokens_cut"] = float(checks["cut focal"].sum())
    for name, value in checks.numbers().items():
        metrics[f"data/{name}"] = value
    if scored:
        metrics["validation_pairs"] = float(held)
        metrics["validation/loss"] = float(scored[-1]["eval_loss"])
    if diverged:
        metrics[f"stopped/{diverged.reason}"] = float(diverged.step)
    return metrics


def _mean_loss(history: Sequence[Mapping[str, float]]) -> float:
    """Return the mean over all steps, those before a resume included."""
    # Each logged loss is the mean since the one before: 0.6 at step 2 and 0.3 at step 6 are 0.4 over all.
    total = 0.0
    last = 0.0
    for entry in history:
        if "loss" in entry:
            total += entry["loss"] * (entry["step"] - last)
            last = entry["step"]
    return total / last if last else 0.0
