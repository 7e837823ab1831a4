"""KTO: programs that pass become more likely, and those that fail less likely, without pairs.

TRL's `KTOTrainer` trains (arXiv 2402.01306). With `target-kto` a failing program is pushed down in its error region
alone.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from json import dumps
from pathlib import Path
from typing import Any

from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedTokenizerBase, PrinterCallback

from iterpref_core.config import PromptFormat, TrainingParams
from iterpref_core.models.lineage import training_versions
from iterpref_core.models.tokenizers import load_chat_template
from iterpref_core.objectives.objective_table import TARGET_KTO, find_rates, find_weights, with_own_beta
from iterpref_core.records import ModelLineage
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.training.base_trainer import DivergedError
from iterpref_core.training.data.steps import training_steps
from iterpref_core.training.data.tokenized_dataset import held_out
from iterpref_core.training.early_end import is_patience_over
from iterpref_core.training.model.adapter_limits import check_tied
from iterpref_core.training.model.model_limits import read_limits
from iterpref_core.training.model.parity import switch_off_randomness
from iterpref_core.training.model.policy import load_policy, lora_config, naming_adapters
from iterpref_core.training.optimizers import check_schedule
from iterpref_core.training.origin import describe_origin
from iterpref_core.training.run import OutputPaths, Run, set_up_run
from iterpref_core.training.trained_model import REWARDS, OnLog, mean_loss
from iterpref_core.unpaired.kto_settings import check_kto_settings, kto_config, require_one_process
from iterpref_core.unpaired.kto_trainer import CountedCollator, ProgramTrainer
from iterpref_core.unpaired.labeled_file import require_both
from iterpref_core.unpaired.labeled_rows import LabeledRow, check_rows, in_training_order, read_rows, with_mismatched

logger = logging.getLogger(__name__)

_TRAINED_BY = ("iterpref_core.models", "iterpref_core.training", "iterpref_core.unpaired")
"""The code that decides trained weights."""
_READ = {
    "answer",
    "arguments",
    "batch_size",
    "beta",
    "bf16",
    "early_stopping_patience",
    "epochs",
    "gradient_checkpointing",
    "load",
    "lora",
    "max_grad_norm",
    "max_length",
    "merge",
    "micro_batch_size",
    "save_dtype",
    "seed",
    "select",
    "validation_share",
    "warmup_ratio",
}
"""The settings of `training` that KTO reads besides its own; the others are about pairs."""


def train_kto(
    programs: Path,
    model: Path | str,
    objective: str,
    params: TrainingParams,
    out: Path,
    curve: Path,
    scratch: Path,
    on_log: OnLog | None = None,
    prompt: PromptFormat | None = None,
) -> dict[str, float]:
    """Train a model on single programs that pass or fail; a killed run resumes from its last checkpoint.

    Args:
        programs: rows of `prompt`, `completion` and `label`, as in TRL.
        model: the model to start from, which is also the reference; a folder or hub id.
        objective: `kto`, or `target-kto`, which needs the error region of each failing program.
        params: settings.
        out: folder for the trained checkpoint.
        curve: CSV of the training curve, one row per logged step.
        scratch: folder for checkpoints, kept outside of `out`.
        on_log: called with (metrics, step) while training runs.
        prompt: the form in which the model reads prompts; the trained model keeps to it.

    Returns:
        `programs` trained on, how many of them are `passing` and `failing`, `steps`, `model_step` (whose weights were
        written), `loss` (mean over the run), last values of the rewards and of `kl`, TRL's z. `counted_token_share`:
        of the failing programs' tokens. `surviving_change`: the share of the weights' change that rounding to the
        written precision left. With validation `validation_programs` and `validation/loss` (of the weights that were
        written). Where training diverged `stopped/<reason>`: the step that showed it. Where `early_stopping_patience`
        ended it, `stopped/patience`: its last step.

    Raises:
        ConfigError: settings are unknown or do not fit each other, or several processes are asked for.
        InputError: programs or model cannot be used, or `out` holds something other than a model of this objective.
        TrainingError: training diverged before its first checkpoint.
    """
    require_one_process(objective, params)
    params = with_own_beta(objective, params)
    run = set_up_run(objective, model, params, OutputPaths(out, curve, scratch), prompt)
    accumulation = check_kto_settings(objective, run.params)
    data = _read_data(run, programs)
    checkpoints = run.checkpoints(_run_key(run, programs))
    trainer = _make_trainer(run, data, accumulation, checkpoints)
    diverged = run.train(trainer, checkpoints, on_log, patience=run.params.early_stopping_patience)
    best = trainer.state.best_model_checkpoint if run.params.select == "best" else None
    advice = f"lower training.objectives.{objective}.learning_rate"
    step = run.choose_weights(trainer, checkpoints, diverged, advice, best)
    metrics = _metrics(run, data, trainer, step, diverged)
    return run.finish(trainer, checkpoints, step, _lineage(run, programs, metrics), metrics)


@dataclass(frozen=True)
class _Data:
    """The programs of a training.

    Attributes:
        tokenizer: the model's.
        trained: those to train on, in the order of training.
        held: those that are held out for validation.
    """

    tokenizer: PreTrainedTokenizerBase
    trained: list[LabeledRow]
    held: list[LabeledRow]


def _read_data(run: Run, programs: Path) -> _Data:
    """Return the tokenized programs, checked against the model's limits.

    Raises:
        InputError: a row cannot be used, or one label alone is left to train on.
        ModelError: rows are beyond a limit of the model.
    """
    params = run.params
    template = load_chat_template(run.model, run.prompt)
    tokenizer = template.tokenizer
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    rows = in_training_order(
        read_rows(programs, template, params, focal=run.objective == TARGET_KTO),
        params.seed,
    )
    marks = held_out([row.problem for row in rows], params, run.processes.num_processes, rows="programs")
    parts: dict[bool, list[LabeledRow]] = {}
    for side in (False, True):
        of_side = [row for row, held in zip(rows, marks, strict=True) if held is side]
        parts[side] = with_mismatched(of_side, params.micro_batch_size)
    if parts[True]:
        require_both({row.label for row in parts[False]}, f"{programs}: without those held out for validation")
    remarks = check_rows([*parts[False], *parts[True]], read_limits(run.model), params.max_length)
    passing = sum(row.label for row in parts[False])
    weights = find_weights(run.objective, params.objectives)
    remarks += balance_remark(passing, len(parts[False]) - passing, **weights)
    for remark in remarks:
        logger.warning("data: %s", remark)
    return _Data(tokenizer, parts[False], parts[True])


def balance_remark(passing: int, failing: int, desirable_weight: float, undesirable_weight: float) -> list[str]:
    """Return advice on the weights of programs, if they are not those of the KTO paper's equation 8.

    >>> balance_remark(100, 400, 1.0, 1.0)
    ['100 programs pass and 400 fail: KTO is best with a desirable_weight of 4 to 5.33 (now 1)']
    >>> balance_remark(100, 400, 4.0, 1.0)
    []
    """
    least = undesirable_weight * failing / passing
    most = least * 4 / 3
    if least <= desirable_weight <= most:
        return []
    counted = f"{passing:,} programs pass and {failing:,} fail"
    return [f"{counted}: KTO is best with a desirable_weight of {least:.3g} to {most:.3g} (now {desirable_weight:g})"]


def _make_trainer(run: Run, data: _Data, accumulation: int, checkpoints: Path) -> ProgramTrainer:
    """Return the trainer, which has scored the rows with the model before training.

    Raises:
        ConfigError: PEFT or TRL has no place for these adapters.
        ModelError: TRL would not compute the log-probabilities of the model's own logits.
    """
    params = run.params
    config = kto_config(run.objective, params, accumulation, len(data.trained), checkpoints)
    check_schedule(config, training_steps(params, len(data.trained)))
    policy = load_policy(run.model, params, run.processes.device)
    switch_off_randomness(policy)
    padding = data.tokenizer.pad_token_id
    with naming_adapters(params):
        trainer = ProgramTrainer(
            model=policy,
            args=config,
            data_collator=CountedCollator(pad_token_id=padding, max_length=params.max_length),
            train_dataset=_as_dataset(data.trained),
            eval_dataset=_as_dataset(data.held) if data.held else None,
            processing_class=data.tokenizer,
            peft_config=None if isinstance(policy, PeftModel) else lora_config(params),
        )
        check_tied(trainer.model)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _as_dataset(rows: Sequence[LabeledRow]) -> Dataset:
    return Dataset.from_list([asdict(row) for row in rows])


def _run_key(run: Run, programs: Path) -> str:
    """Return a digest of what decides the trained weights: a checkpoint of another run is never resumed from."""
    decisive = [
        file_digest(programs),
        run.fingerprint,
        run.objective,
        _settings(run),
        code_digest(*_TRAINED_BY),
        _versions(),
    ]
    return sha256(dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _settings(run: Run) -> dict[str, Any]:
    """Return the settings that KTO reads, each under its name."""
    values = run.params.model_dump(mode="json", include=_READ)
    values["learning_rate"], _ = find_rates(run.objective, run.params)
    return values | find_weights(run.objective, run.params.objectives)


def _versions() -> dict[str, str]:
    return training_versions() | {"trl": version("trl")}


def _metrics(
    run: Run, data: _Data, trainer: ProgramTrainer, step: int, diverged: DivergedError | None
) -> dict[str, float]:
    """Return the metrics that `train_kto` names, but for those of the written weights."""
    history: list[dict[str, float]] = trainer.state.log_history
    last: dict[str, float] = next((entry for entry in reversed(history) if "loss" in entry), {})
    scored = [entry for entry in history if "eval_loss" in entry and entry["step"] == step]
    failing = [row for row in data.trained if not row.label]
    metrics = {
        "programs": float(len(data.trained)),
        "passing": float(len(data.trained) - len(failing)),
        "failing": float(len(failing)),
        "steps": float(trainer.state.global_step),
        "model_step": float(step),
        "loss": mean_loss(history),
    }
    for name in (*REWARDS, "kl"):
        if name in last:
            metrics[name] = float(last[name])
    tokens = sum(len(row.counted) for row in failing)
    metrics["counted_token_share"] = sum(sum(row.counted) for row in failing) / tokens
    if scored:
        metrics["validation_programs"] = float(len(data.held))
        metrics["validation/loss"] = float(scored[-1]["eval_loss"])
    if diverged:
        metrics[f"stopped/{diverged.reason}"] = float(diverged.step)
    if is_patience_over(history, run.params.early_stopping_patience):
        metrics["stopped/patience"] = float(trainer.state.global_step)
    return metrics


def _lineage(run: Run, programs: Path, metrics: dict[str, float]) -> ModelLineage:
    return ModelLineage(
        **describe_origin(run.model),
        objective=run.objective,
        settings=_settings(run) | run.prompt.parameters,
        programs=int(metrics["programs"]),
        steps=int(metrics["steps"]),
        model_step=int(metrics["model_step"]),
        data={"programs": file_digest(programs, "md5")},
        versions=_versions(),
    )
