"""Train a model with one objective, as stage `training` does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Subset
from transformers import PreTrainedTokenizerBase, PrinterCallback, TrainingArguments

from iterpref_core.models.pretrained.checkpoints import locate_model
from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from iterpref_core.models.pretrained.lineage import read_lineage, training_versions
from iterpref_core.models.pretrained.tokenizers import load_chat_template
from iterpref_core.records import ModelLineage
from iterpref_core.records.config import PromptFormat, TrainingParams
from iterpref_core.records.errors import ConfigError, ModelError
from iterpref_core.records.stage_results import TrainingResult
from iterpref_core.storage.data_card import find_license
from iterpref_core.training.data.checks import report_findings
from iterpref_core.training.data.held_out import held_out
from iterpref_core.training.data.steps import accumulation_steps
from iterpref_core.training.data.tokenized_dataset import TokenizedDataset, open_tokenized_dataset
from iterpref_core.training.model.model_limits import limit_findings
from iterpref_core.training.model.policy import load_policy
from iterpref_core.training.model.ranks import sharding
from iterpref_core.training.model.reference import reference_logps, reference_path
from iterpref_core.training.objectives.objective_settings import RESOLVED
from iterpref_core.training.trainer.curve import REWARDS, OnLog, mean_loss
from iterpref_core.training.trainer.early_end import DivergedError, is_patience_over
from iterpref_core.training.trainer.focal_trainer import FocalTrainer
from iterpref_core.training.trainer.run import Run, set_up_run
from iterpref_core.training.trainer.settings import training_arguments


def train_objective(
    files: Mapping[str, Path],
    model: Path | str,
    objective: str,
    params: TrainingParams,
    out: Path,
    curve: Path,
    scratch: Path,
    on_log: OnLog | None = None,
    prompt: PromptFormat | None = None,
    commit: str | None = None,
) -> TrainingResult:
    """Train a model with one objective; a killed run resumes from its last checkpoint.

    Training runs in this process. Called in every process of `accelerate launch`, it runs in all of them together.

    Args:
        files: `pairs` and their error regions, `spans`: pairs without a record there take no part.
        model: the model to start from, which is also the reference; a folder or hub id.
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
            holds something other than a model of this objective.
        TrainingError: training diverged before its first checkpoint.
    """
    run = set_up_run(objective, files, model, params, out, curve, scratch, prompt)
    params = run.params
    # Cheap refusals first: batch sizes, rows and arguments, then the model.
    accumulation = accumulation_steps(params, run.processes.num_processes)
    template = load_chat_template(run.model, run.prompt)
    rows = open_tokenized_dataset(run.reader, template, run.fingerprint, params, run.scratch / "pairs")
    held = np.array(held_out(rows.problems, params, run.processes.num_processes))
    report_findings(limit_findings(run.model, rows.checks))
    report_findings(rows.checks.findings(params, regional=run.objective.row.regional))
    arguments = training_arguments(params, run.objective, accumulation, int((~held).sum()), run.checkpoints)
    trainer = _make_trainer(run, template.tokenizer, rows, held, arguments)
    resumes = True
    if run.objective.row.preference:
        layout = trainer.data_collator.layout
        path = reference_path(
            run.scratch / "reference", rows, run.fingerprint, params, trainer.model, sharding(run.processes), layout
        )
        # Before the reference is scored training starts anew: the weights of a checkpoint would be their own reference.
        resumes = path.exists()

        def score() -> None:
            rows.reference = reference_logps(
                trainer.model_wrapped,
                trainer.model.config,
                rows,
                path,
                collator=trainer.data_collator,
                size=params.micro_batch_size,
                processes=run.processes,
            )

        trainer.before_training.append(score)
    diverged = run.train(trainer, on_log, resumes=resumes)
    step = run.choose_weights(trainer, diverged)
    result = _result(rows, held, trainer, step, diverged)
    return run.finish(trainer, _lineage(run, rows, trainer, result, commit), result)


def _make_trainer(
    run: Run, tokenizer: PreTrainedTokenizerBase, rows: TokenizedDataset, held: np.ndarray, arguments: TrainingArguments
) -> FocalTrainer:
    """Return the trainer, with the pairs that are held out for validation.

    Raises:
        ConfigError: the model cannot take the layout, or PEFT has no adapters for it.
        ModelError: training would not compute the log-probabilities of the model's own logits.
    """
    params = run.params
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    policy = load_policy(run.model, params, arguments.device)
    # Rows stay in one file; training and validation are two lists of their numbers.
    sequence: Any = rows  # which Subset takes as it takes a Dataset
    trained, validation = (Subset(sequence, np.flatnonzero(part).tolist()) for part in (~held, held))
    longest = int(rows.checks.row_tokens.max())
    try:
        trainer = FocalTrainer(policy, arguments, trained, longest, tokenizer, run.objective, params, validation)
    except (ValueError, TypeError, ConfigError, ModelError) as error:
        if params.lora is None:
            raise
        raise ConfigError(
            f"params.yaml: training.lora: this model cannot be trained with these adapters: {error}; correct the "
            "options, or set training.lora: null to train all weights"
        ) from None
    trainer.remove_callback(PrinterCallback)
    return trainer


def _lineage(
    run: Run, rows: TokenizedDataset, trainer: FocalTrainer, result: TrainingResult, commit: str | None
) -> ModelLineage:
    settings = run.params.model_dump(mode="json", exclude={"accelerate", "start", *RESOLVED}) | run.objective.values()
    settings["layout"] = trainer.data_collator.layout
    source = locate_model(run.model)
    folder = Path(source.adapters or source.name_or_path)
    return ModelLineage(
        # The path depends on this machine, the name on the model.
        base=folder.resolve().name if folder.is_dir() else source.name_or_path,
        revision=source.revision,
        base_weights=model_fingerprint(run.model),
        license=find_license(source.name_or_path, "model"),
        before=read_lineage(folder),
        objective=run.objective.name,
        settings=settings | run.prompt.parameters,
        pairs=result.pairs,
        steps=result.steps,
        model_step=result.model_step,
        localization=rows.methods,
        data=run.reader.digests,
        versions=training_versions(),
        commit=commit,
    )


def _result(
    rows: TokenizedDataset, held: np.ndarray, trainer: FocalTrainer, step: int, diverged: DivergedError | None
) -> TrainingResult:
    """Return the numbers of a training, without the numbers of the written weights."""
    # Why training ended early, with the step.
    stopped = {diverged.reason: diverged.step} if diverged else {}
    if is_patience_over(trainer.state.log_history, trainer.params.early_stopping_patience):
        stopped["patience"] = trainer.state.global_step
    history: list[dict[str, float]] = trainer.state.log_history
    last: dict[str, float] = next((entry for entry in reversed(history) if "loss" in entry), {})
    # The loss of the step that becomes the model, which is not always the last.
    scored = [entry["eval_loss"] for entry in history if "eval_loss" in entry and entry["step"] == step]
    checks = rows.checks
    counts = checks.counts()
    return TrainingResult(
        pairs=int((~held).sum()),
        steps=trainer.state.global_step,
        model_step=step,
        loss=mean_loss(history),
        rewards={name.removeprefix("rewards/"): last[name] for name in REWARDS if name in last},
        focal_token_share=float(checks["focal_tokens"].sum() / checks["rejected_tokens"].sum()),
        pairs_without_focal_tokens=counts["focal_empty"] + counts["focal_lost"],
        focal_tokens_cut=int(checks["focal_truncated"].sum()),
        data=checks.numbers(),
        validation_pairs=int(held.sum()) if scored else None,
        validation={"loss": scored[-1]} if scored else None,
        stopped=stopped or None,
    )
