"""GRPO: a model answers problems several times, and answers that pass their tests become more likely than the others.

TRL's `GRPOTrainer` trains. Of four answers to one problem, two of which pass:

    reward       1      0      0      1
    advantage    0.87  -0.87  -0.87   0.87    (reward - mean) / standard deviation, of the four

The log-probability of the tokens of each answer then moves by its advantage. Where all four pass, or none does,
nothing moves.
"""

from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from json import dumps
from pathlib import Path
from typing import Any

from datasets import Dataset
from peft import PeftModel
from transformers import PrinterCallback

from iterpref_core.execution import open_executor
from iterpref_core.models.pretrained.generation_config import plain_generation
from iterpref_core.models.pretrained.lineage import training_versions
from iterpref_core.models.pretrained.tokenizers import load_chat_template
from iterpref_core.records import ModelLineage
from iterpref_core.records.config import ExecutionParams, PromptFormat, TrainingParams
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.training.model.parity import silent
from iterpref_core.training.model.policy import load_policy, lora_config, naming_adapters
from iterpref_core.training.objectives.objective_table import GRPO, find_rates
from iterpref_core.training.reinforcement.grpo_settings import check_grpo_settings, grpo_config
from iterpref_core.training.reinforcement.grpo_trainer import TemplateGRPOTrainer
from iterpref_core.training.reinforcement.own_rewards import load_own_rewards, source_digest
from iterpref_core.training.reinforcement.rendered_prompts import RenderedPrompts
from iterpref_core.training.reinforcement.rewarded_problems import Survey, draw_names, read_chosen, survey_problems
from iterpref_core.training.reinforcement.rewards import REWARDS, Rewards
from iterpref_core.training.training.base_trainer import DivergedError
from iterpref_core.training.training.origin import describe_origin
from iterpref_core.training.training.run import OutputPaths, Run, set_up_run
from iterpref_core.training.training.trained_model import OnLog

_TRAINED_BY = (
    "iterpref_core.execution",
    "iterpref_core.programs.answers",
    "iterpref_core.models.pretrained",
    "iterpref_core.models.prompts",
    "iterpref_core.training.data",
    "iterpref_core.training.model",
    "iterpref_core.training.reinforcement",
    "iterpref_core.programs.source_code",
    "iterpref_core.training.training",
)
"""The code that decides trained weights."""
_SHARED = (
    "answer",
    "bf16",
    "gradient_checkpointing",
    "load",
    "lora",
    "max_prompt_length",
    "merge",
    "micro_batch_size",
    "save_dtype",
    "seed",
    "warmup_ratio",
    "arguments",
)
"""The settings of `training` that GRPO reads besides its own; the others are about pairs."""
_ADVICE = "lower training.objectives.grpo.learning_rate, or raise training.grpo.arguments.beta"
"""The remedy for a training that diverged."""


def train_grpo(
    problems: Path,
    model: Path | str,
    params: TrainingParams,
    execution: ExecutionParams,
    out: Path,
    curve: Path,
    scratch: Path,
    on_log: OnLog | None = None,
    prompt: PromptFormat | None = None,
) -> dict[str, float]:
    """Train a model on its own answers, with tests as the reward; a killed run resumes from its last checkpoint.

    Training runs in this process. Called in every process of `accelerate launch`, it runs in all of them together.

    Args:
        problems: JSONL of problems; those of split `codeflow`, and those that name no split, take part.
        model: the model to start from; a folder or hub id.
        params: settings; with `accelerate` this has to be one of several processes.
        execution: limits and isolation of the programs that are run.
        out: folder for the trained checkpoint.
        curve: CSV of the training curve, one row per logged step.
        scratch: folder for checkpoints, kept outside of `out`.
        on_log: called with (metrics, step) while training runs.
        prompt: the form in which the model reads prompts; the trained model keeps to it.

    Returns:
        `problems` that take part, `left_out/<reason>`, `answers` that were drawn, `steps`, and `model_step`, the step
        whose weights were written. `reward/first` and `reward/last`: the mean reward in the first and in the last row
        of the training curve; `truncated_share`: of the answers of the last row. `surviving_change`: the share of the
        weights' change that rounding to the written precision left. Where training diverged `stopped/<reason>`: the
        step that showed it.

    Raises:
        ConfigError: settings are unknown or do not fit each other or the number of processes, or `accelerate` is set
            and this process is alone.
        InputError: problems or model cannot be used, or `out` holds something other than a model of this objective.
        TrainingError: training diverged before its first checkpoint.
        IsolationError: programs cannot be isolated on this machine.
    """
    own_rewards = load_own_rewards(params.grpo.rewards, REWARDS)
    run = set_up_run(GRPO, model, params, OutputPaths(out, curve, scratch), prompt)
    params = run.params
    accumulation = check_grpo_settings(params, run.processes.num_processes)
    learning_rate, _ = find_rates(GRPO, params)
    template = load_chat_template(run.model, run.prompt)
    policy = load_policy(run.model, params, run.processes.device)
    prompts = RenderedPrompts(template, policy.generation_config)
    with open_executor(execution) as executor:
        survey = survey_problems(problems, prompts, params, executor)
    drawn = draw_names(survey.names, params.grpo.steps * params.grpo.problems, params.seed)
    chosen = read_chosen(problems, drawn, survey.inside)
    checkpoints = run.checkpoints(_run_key(problems, run.fingerprint, params, execution))
    policy.generation_config = plain_generation(policy.generation_config)
    policy.generation_config.eos_token_id = prompts.end_tokens
    rows = {
        "prompt": [prompts.render(chosen[name]) for name in drawn],
        "task_id": drawn,
    }
    with open_executor(execution) as executor, silent(policy):
        trainer = _make_trainer(
            policy=policy,
            prompts=prompts,
            tokenizer=template.tokenizer,
            rewards=Rewards(params.grpo.rewards, chosen, prompts, executor, own_rewards),
            rows=rows,
            config=grpo_config(params, learning_rate, accumulation, checkpoints),
            params=params,
        )
        diverged = run.train(trainer, checkpoints, on_log)
    step = run.choose_weights(trainer, checkpoints, diverged, _ADVICE)
    metrics = _metrics(trainer, survey, params, step, diverged)
    trainer.drop_reference()
    return run.finish(trainer, checkpoints, step, _lineage(problems, run, metrics), metrics)


def _run_key(problems: Path, fingerprint: str, params: TrainingParams, execution: ExecutionParams) -> str:
    """Return a digest of what decides the trained weights: a checkpoint of another run is never resumed from."""
    decisive = [
        file_digest(problems),
        fingerprint,
        _settings(params),
        execution.model_dump(mode="json", exclude={"engine", "workers"}),
        code_digest(*_TRAINED_BY),
        {path: source_digest(path) for path in params.grpo.rewards if ":" in path},
        _versions(),
    ]
    return sha256(dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _settings(params: TrainingParams) -> dict[str, Any]:
    """Return the settings that GRPO reads, each under its name: those of `training.grpo` as `grpo.<name>`."""
    values = params.model_dump(mode="json", include=set(_SHARED))
    values |= {f"grpo.{name}": value for name, value in params.grpo.model_dump(mode="json").items()}
    values["learning_rate"], _ = find_rates(GRPO, params)
    return values


def _versions() -> dict[str, str]:
    return training_versions() | {"trl": version("trl")}


def _make_trainer(
    *,
    policy: Any,
    prompts: RenderedPrompts,
    tokenizer: Any,
    rewards: Rewards,
    rows: Mapping[str, list[str]],
    config: Any,
    params: TrainingParams,
) -> TemplateGRPOTrainer:
    """Return the trainer.

    Raises:
        ConfigError: PEFT or TRL has no place for these adapters.
    """
    with naming_adapters(params):
        trainer = TemplateGRPOTrainer(
            prompts=prompts,
            rewards=rewards,
            model=policy,
            args=config,
            train_dataset=Dataset.from_dict(dict(rows)),
            processing_class=tokenizer,
            peft_config=None if isinstance(policy, PeftModel) else lora_config(params),
        )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _metrics(
    trainer: TemplateGRPOTrainer,
    survey: Survey,
    params: TrainingParams,
    step: int,
    diverged: DivergedError | None,
) -> dict[str, float]:
    """Return the metrics that `train_grpo` names, but for those of the written weights."""
    metrics = {"problems": float(len(survey.names))}
    for reason, count in survey.left_out.items():
        metrics[f"left_out/{reason}"] = float(count)
    answers = params.grpo.steps * params.grpo.problems * params.grpo.generations
    metrics["answers"] = float(answers)
    logged = [entry for entry in trainer.state.log_history if entry.get("reward") is not None]
    if logged:
        first = logged[0]
        last = logged[-1]
        metrics["reward/first"] = float(first["reward"])
        metrics["reward/last"] = float(last["reward"])
        metrics["truncated_share"] = float(last["completions/clipped_ratio"])
    metrics["steps"] = float(trainer.state.global_step)
    metrics["model_step"] = float(step)
    if diverged:
        metrics[f"stopped/{diverged.reason}"] = float(diverged.step)
    return metrics


def _lineage(problems: Path, run: Run, metrics: Mapping[str, float]) -> ModelLineage:
    return ModelLineage(
        **describe_origin(run.model),
        objective=GRPO,
        settings=_settings(run.params) | run.prompt.parameters,
        problems=int(metrics["problems"]),
        steps=int(metrics["steps"]),
        model_step=int(metrics["model_step"]),
        data={"problems": file_digest(problems, "md5")},
        versions=_versions(),
    )
