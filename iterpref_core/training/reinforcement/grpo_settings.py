"""Settings of GRPO: what TRL's trainer is told, from `training` and `training.grpo`."""

from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import TrainingArguments
from trl import GRPOConfig

from iterpref_core.records.config import TrainingParams
from iterpref_core.records.errors import ConfigError, first_line, unknown_name
from iterpref_core.training.model.policy import lora_config
from iterpref_core.training.objectives.objective_table import GRPO, find_rates
from iterpref_core.training.training.optimizers import PLATEAU, check_schedule
from iterpref_core.training.training.settings import check_arguments, check_made, passed_through, shared_arguments

_DECIDED = {
    "num_generations": "training.grpo.generations",
    "num_generations_eval": "nothing: GRPO has no validation here",
    "generation_batch_size": "training.grpo.problems",
    "steps_per_generation": "training.grpo.problems",
    "num_iterations": "the trainer, which uses every answer once, so that a killed training resumes exactly",
    "sync_ref_model": "the trainer, whose reference is the model before training, also after a kill",
    "max_completion_length": "training.grpo.max_new_tokens",
    "temperature": "training.grpo.temperature",
    "beta": "training.grpo.beta",
    "use_vllm": "training.grpo.backend",
    "shuffle_dataset": "training.seed",
    "disable_dropout": "the trainer, which has no dropout",
    "model_init_kwargs": "the option --model, and training.load",
    "trust_remote_code": "the project: code of a checkpoint is never run",
    "chat_template_kwargs": "model.chat_template_kwargs",
    "generation_kwargs": "the model's template, which ends answers",
    "reward_weights": "training.grpo.rewards",
}
"""Arguments of TRL that the project decides, and where it does."""

_CHOICES = {
    "loss_type": ("grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"),
    "scale_rewards": ("group", "batch", "none", True, False),
    "importance_sampling_level": ("token", "sequence"),
    "vllm_mode": ("colocate", "server"),
}
"""Arguments whose values TRL checks only when it first needs them, and those values."""


def check_grpo_settings(params: TrainingParams, processes: int) -> int:
    """Refuse settings that cannot be taken, before any computation.

    Args:
        params: the section `training`.
        processes: that train together.

    Returns:
        The number of micro-batches that each process computes for a step.

    Raises:
        ConfigError: a name is unknown or decided elsewhere, numbers do not fit each other, or vLLM is not installed.
    """
    lora_config(params)
    check_arguments(params.arguments)
    grpo = params.grpo
    if "max_steps" in params.arguments:
        raise ConfigError("params.yaml: training.arguments.max_steps: with grpo, training.grpo.steps says how many")
    if params.arguments.get("lr_scheduler_type") == PLATEAU:
        raise ConfigError(
            f"params.yaml: training.arguments.lr_scheduler_type: {PLATEAU} follows a validation loss, which grpo has "
            "not; set another schedule"
        )
    shared = {field.name for field in fields(TrainingArguments)}
    own = [field.name for field in fields(GRPOConfig) if field.name not in shared]
    for name in grpo.arguments:
        where = f"params.yaml: training.grpo.arguments.{name}"
        if name in shared:
            raise ConfigError(f"{where}: is an argument of every training; set it in training.arguments")
        if name in _DECIDED:
            raise ConfigError(f"{where}: is decided by {_DECIDED[name]}; set it there")
        if name not in own:
            raise ConfigError(f"params.yaml: training.grpo.arguments: {unknown_name('argument', name, own)}")
        if name in _CHOICES and grpo.arguments[name] not in _CHOICES[name]:
            known = map(str, _CHOICES[name])
            raise ConfigError(f"{where}: {unknown_name('value', str(grpo.arguments[name]), known)}")
    if grpo.backend == "vllm" and find_spec("vllm") is None:
        raise ConfigError(
            "params.yaml: training.grpo.backend: vllm: is not installed in this environment, where TRL calls it; "
            "install it there (pip install 'trl[vllm]'), or set transformers"
        )
    answers = grpo.problems * grpo.generations
    at_once = params.micro_batch_size * processes
    if answers % at_once:
        times = f" x {processes} processes = {at_once}" if processes > 1 else ""
        raise ConfigError(
            f"params.yaml: training.grpo: {grpo.problems} problems x {grpo.generations} generations = {answers} "
            f"answers in a step are no multiple of training.micro_batch_size = {params.micro_batch_size}{times}; "
            "change one of them"
        )
    rate, _ = find_rates(GRPO, params)
    made = grpo_config(params, learning_rate=rate, accumulation=answers // at_once, folder=Path("unused"), ends=[0])
    check_made(made)
    check_schedule(made, grpo.steps)
    return answers // at_once


def grpo_config(
    params: TrainingParams, learning_rate: float, accumulation: int, folder: Path, ends: list[int]
) -> GRPOConfig:
    """Return what TRL's trainer is told.

    Args:
        params: the section `training`, with `bf16` decided.
        learning_rate: the objective's.
        accumulation: micro-batches that this process computes for a step.
        folder: for checkpoints.
        ends: ids of the tokens that end an answer.

    Raises:
        ConfigError: transformers or TRL refuses a value.
    """
    grpo = params.grpo
    vllm = grpo.backend == "vllm"
    decided = shared_arguments(
        params,
        learning_rate=learning_rate,
        accumulation=accumulation,
        steps=grpo.steps,
        folder=folder,
    )
    decided |= {
        "max_steps": grpo.steps,
        "num_generations": grpo.generations,
        "max_completion_length": grpo.max_new_tokens,
        "temperature": grpo.temperature,
        "beta": grpo.beta,
        "use_vllm": vllm,
        # transformers is given the end tokens with the model's generation config, vLLM with each call.
        "generation_kwargs": {"stop_token_ids": ends} if vllm else None,
        "reward_weights": list(grpo.rewards.values()),
        "shuffle_dataset": False,  # the rows are drawn already
        "use_cpu": not torch.cuda.is_available(),
    }
    try:
        return GRPOConfig(**decided | passed_through(params) | grpo.arguments)
    except (ValueError, TypeError, ImportError) as error:
        raise ConfigError(
            f"params.yaml: training.grpo.arguments: {first_line(error)}; correct the value, or remove it"
        ) from None
