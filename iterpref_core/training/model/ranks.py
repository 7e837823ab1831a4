"""Ranks: the processes that train together, how many they are, and what each of them does alone."""

import os
from datetime import timedelta

import torch
from accelerate import PartialState

_PATIENCE = timedelta(hours=2)
"""How long processes wait for each other: for what one of them does alone, such as merging and saving a large model."""


def is_launched() -> bool:
    """Whether `accelerate launch` or `torchrun` started this process as one of several."""
    return "LOCAL_RANK" in os.environ or int(os.environ.get("WORLD_SIZE", "1")) > 1


def join_processes() -> PartialState:
    """Meet the other processes, if there are any."""
    if is_launched():
        return PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)
    return PartialState()


def is_sharded() -> bool:
    """Whether each process holds a part of the weights alone."""
    return bool(_sharded_by())


def sharding(processes: PartialState) -> str:
    """What tells checkpoints apart: only as many processes that shard in the same way can resume one."""
    return "".join(f"-{part}" for part in (*_sharded_by(), processes.num_processes) if part != 1)


def _sharded_by() -> list[str]:
    kinds = ("fsdp", "deepspeed")
    return [kind for kind in kinds if os.environ.get(f"ACCELERATE_USE_{kind.upper()}", "false") == "true"]
