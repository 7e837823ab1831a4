"""Precision of matrix products: bfloat16 or float32, whichever this machine computes faster.

GPUs that are used for training compute bfloat16 faster. Of CPUs some do, by a factor of two, and others take twice as
long: it depends on their instructions and on the library that PyTorch calls for them. So it is measured.
"""

import time
from functools import cache
from pathlib import Path

import torch

from iterpref_core.config import Bf16
from iterpref_core.inference.local.checkpoints import read_config

_SIZE = 768
_ROUNDS = 12
_WORTH = 1.2
"""How much faster bfloat16 must be: converting to it and back takes time as well."""


def uses_bf16(choice: Bf16, device: str) -> bool:
    """Whether to compute in bfloat16 on a device (`cpu`, `cuda`, …).

    >>> uses_bf16(False, "cuda")
    False
    """
    if choice == "auto":
        return _cpu_bf16_speedup() > _WORTH if device == "cpu" else True
    return choice


def generation_dtype(choice: Bf16, saved: torch.dtype) -> torch.dtype:
    """The precision in which a model that was saved in one generates in this process.

    A GPU has room and speed for whatever a checkpoint was saved in, unless the parameters say otherwise.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if choice == "auto" and device != "cpu":
        return saved
    return torch.bfloat16 if uses_bf16(choice, device) else torch.float32


def saved_dtype(model: Path | str) -> torch.dtype:
    """The precision that a checkpoint says it was saved in; float32 where it does not say.

    Raises:
        ModelError: there is no such model.
    """
    return read_config(model).dtype or torch.float32


@cache
def _cpu_bf16_speedup() -> float:
    """How many times as fast a matrix product is in bfloat16 as in float32; measured once, within a second.

    The fastest of several rounds of each, in turn: what else runs on the machine slows both, and some rounds less.
    """
    matrices = [torch.ones(_SIZE, _SIZE, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    fastest = [float("inf"), float("inf")]
    for _ in range(_ROUNDS):
        for index, matrix in enumerate(matrices):
            started = time.perf_counter()
            matrix @ matrix
            fastest[index] = min(fastest[index], time.perf_counter() - started)
    return fastest[0] / fastest[1]
