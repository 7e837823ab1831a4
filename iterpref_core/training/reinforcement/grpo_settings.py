"""Settings of GRPO: what TRL's trainer is told, from `training` and `training.grpo`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from trl import GRPOConfig

from iterpref_core.records.config import TrainingParams
from iterpref_core.records.errors import ConfigError, unknown_name
from iterpref_core.training.model.policy import lora_config
from iterpref_core.training.objectives.objective_table import GRPO, find_rates
from iterpref_core.training.training.optimizers import PLATEAU, check_schedule
from iterpref_core.training.training.settings import check_arguments, check_value, make_arguments, shared_arguments

PASSED: Mapping[str, tuple[Any, ...]] = {
    "beta": (),
    "delta": (),
    "epsilon": (),
    "epsilon_high": (),
    "loss_type": ("grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo"),
    "mask_truncated_completions": (),
    "min_p": (),
    "repetition_penalty": (),
    "scale_rewards": ("group", "batch", "none", True, False),
    "temperature": (),
    "top_entropy_quantile": (),
    "top_k": (),
    "top_p": (),
}
"""The arguments of TRL's `GRPOConfig` (TRL 1.16) that `training.grpo.arguments` may state.

The values of some TRL checks only when it first needs them: they stand here.
"""


def check_grpo_settings(params: TrainingParams, processes: int) -> int:
    """Refuse settings that cannot be taken, before any computation.

    Args:
        params: the section `training`.
        processes: that train together.

    Returns:
        The number of micro-batches that each process computes for a step.

    Raises:
        ConfigError: a name is unknown or decided elsewhere, or numbers do not fit each other.
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
    types = get_type_hints(GRPOConfig)
    for name, value in grpo.arguments.items():
        if name not in PASSED:
            raise ConfigError(
                f"params.yaml: training.grpo.arguments.{name}: is not passed on to TRL; remove it: another setting of "
                "`training` or `training.grpo` decides it, or it is not known to leave checkpoints right; there are "
                f"{', '.join(PASSED)}"
            )
        if PASSED[name] and value not in PASSED[name]:
            known = map(str, PASSED[name])
            message = unknown_name("value", str(value), known)
            raise ConfigError(f"params.yaml: training.grpo.arguments.{name}: {message}")
        if not PASSED[name]:
            check_value(f"params.yaml: training.grpo.arguments.{name}", types[name], value)
    if grpo.arguments.get("temperature") == 0:
        raise ConfigError(
            "params.yaml: training.grpo.arguments.temperature: is 0, and all answers would be the same; raise it"
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
    check_schedule(grpo_config(params, rate, answers // at_once, Path("unused")), grpo.steps)
    return answers // at_once


def grpo_config(params: TrainingParams, learning_rate: float, accumulation: int, folder: Path) -> GRPOConfig:
    """Return what TRL's trainer is told.

    Args:
        params: the section `training`, with `bf16` decided.
        learning_rate: the objective's.
        accumulation: micro-batches that this process computes for a step.
        folder: for checkpoints.

    Raises:
        ConfigError: transformers or TRL refuses a value.
    """
    grpo = params.grpo
    own = {
        "max_steps": grpo.steps,
        "num_generations": grpo.generations,
        "max_completion_length": grpo.max_new_tokens,
        "reward_weights": list(grpo.rewards.values()),
        "shuffle_dataset": False,  # the rows are drawn already
    }
    shared = shared_arguments(params, learning_rate, accumulation, grpo.steps, folder)
    return make_arguments(GRPOConfig, shared | own | grpo.arguments)
