"""Meet the processes that train together, and find whether they share the weights."""

import os
from datetime import timedelta

import torch
from accelerate import PartialState

from iterpref_core.records import ConfigError

from ..launch import check_configuration, is_launched

_PATIENCE = timedelta(hours=2)
"""Time that processes wait for a process that works alone, such as merging and saving a large model."""


def join_processes(configuration: str | None) -> PartialState:
    """Meet the other processes, if there are any.

    Args:
        configuration: `training.accelerate`: the file that describes them; None for this process alone.

    Raises:
        ConfigError: there is a configuration, and not all of its processes are started.
    """
    # Without `cpu=True` accelerate looks for other processes on GPUs alone.
    if is_launched():
        state = PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)
        wanted = check_configuration(configuration) if configuration else 1
        if state.num_processes < wanted:
            raise ConfigError(
                f"params.yaml: training.accelerate: {configuration} asks for {wanted} processes, and accelerate has "
                f"started {state.num_processes}; on CPUs set distributed_type: MULTI_GPU and use_cpu: true (MULTI_CPU "
                "needs mpirun)"
            )
        return state
    if configuration:
        raise ConfigError(
            f"params.yaml: training.accelerate: {configuration} describes several processes, and this is one; "
            "`iterpref train` and the pipeline start them; start a script of your own with `accelerate launch` "
            "(docs/training-distributed.md), or set null to train in this process alone"
        )
    return PartialState()


def launched_precision(*, bf16: bool) -> bool:
    """Return whether matrix products are computed in bfloat16, for policy and reference alike.

    Args:
        bf16: `training.bf16`, which decides unless accelerate's launcher does.

    Raises:
        ConfigError: the launcher asks for fp16 or fp8.
    """
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if launched not in ("no", "bf16"):
        raise ConfigError(
            f"accelerate: mixed_precision is {launched}, where losses overflow or lose small steps; set it to 'no' "
            "(training.bf16 decides) or to bf16, in the configuration or with --mixed_precision"
        )
    return bf16 or launched == "bf16"


def is_sharded() -> bool:
    """Return whether each process holds a part of the weights alone."""
    return bool(_sharded_by())


def sharding(processes: PartialState) -> str:
    """Return a suffix for checkpoints: only the same number of processes, sharding in the same way, can resume one."""
    kinds = "".join(f"-{kind}" for kind in _sharded_by())
    return kinds if processes.num_processes == 1 else f"{kinds}-{processes.num_processes}"


def _sharded_by() -> list[str]:
    kinds = ("fsdp", "deepspeed")
    return [kind for kind in kinds if os.environ.get(f"ACCELERATE_USE_{kind.upper()}", "false") == "true"]
