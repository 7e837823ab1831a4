"""Settings of KTO: what TRL's trainer is told, from `training` and the objective's own line there."""

from pathlib import Path

import torch
from trl import KTOConfig

from iterpref_core.config import TrainingParams
from iterpref_core.errors import ConfigError, first_line
from iterpref_core.objectives.objective_table import find_rates, find_weights
from iterpref_core.processes import is_launched
from iterpref_core.training.data.steps import accumulation_steps
from iterpref_core.training.settings import check_data_arguments, check_made, data_arguments, passed_through


def require_one_process(objective: str, params: TrainingParams) -> None:
    """Refuse several processes: TRL's z would be another one, of the micro-batches of all of them.

    Raises:
        ConfigError: several are configured, or have been started.
    """
    if params.accelerate or is_launched():
        raise ConfigError(
            f"params.yaml: training.accelerate: {objective} is trained in one process; set null, and start it without "
            "`accelerate launch`"
        )


def check_kto_settings(objective: str, params: TrainingParams) -> int:
    """Refuse settings that cannot be taken, before any computation.

    Args:
        objective: `kto` or `target-kto`.
        params: the section `training`.

    Returns:
        The number of micro-batches of a batch.

    Raises:
        ConfigError: a setting is unknown, cannot be taken, or does not fit another.
    """
    check_data_arguments(params)
    if params.micro_batch_size < 2:
        raise ConfigError(
            f"params.yaml: training.micro_batch_size: is {params.micro_batch_size}, and {objective} compares each "
            "prompt with another program of its micro-batch; set 2 or more"
        )
    accumulation = accumulation_steps(params, processes=1)
    check_made(kto_config(objective, params, accumulation, params.batch_size, Path("unused")))
    return accumulation


def kto_config(objective: str, params: TrainingParams, accumulation: int, programs: int, folder: Path) -> KTOConfig:
    """Return what TRL's trainer is told.

    Args:
        objective: `kto` or `target-kto`.
        params: the section `training`, with `bf16` and `beta` decided.
        accumulation: micro-batches of a batch.
        programs: to train on.
        folder: for checkpoints.

    Raises:
        ConfigError: transformers or TRL refuses a value.
    """
    learning_rate, _ = find_rates(objective, params)
    decided = data_arguments(params, learning_rate, accumulation, programs, folder)
    decided |= find_weights(objective, params.objectives)
    decided |= {
        "beta": params.beta,
        "loss_type": "kto",
        "max_length": params.max_length,
        # Scored once, by the model before training: no second one is held in memory.
        "precompute_ref_log_probs": True,
        "remove_unused_columns": False,
        "disable_dropout": True,
        "use_cpu": not torch.cuda.is_available(),
    }
    try:
        return KTOConfig(**decided | passed_through(params))
    except (ValueError, TypeError, ImportError) as error:
        raise ConfigError(
            f"params.yaml: training.arguments: {first_line(error)}; correct the value, or remove it"
        ) from None
