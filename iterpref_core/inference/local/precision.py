"""Precision of matrix products: bfloat16 or float32, whichever this machine computes faster.

GPUs that are used for training compute bfloat16 faster. Of CPUs those do that multiply it in one instruction, by a
factor of two; others convert, and take twice as long. The processor is asked what it has, not timed: a timing on a
busy machine sometimes says the opposite, and then a run has other weights than its repetition.
"""

from pathlib import Path

import torch

from iterpref_core.config import Bf16
from iterpref_core.inference.local.checkpoints import read_config

_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")
"""That multiply matrices of bfloat16, as PyTorch names them: of x86 processors the first two, of ARM ones the third."""


def uses_bf16(choice: Bf16, device: str) -> bool:
    """Whether to compute in bfloat16 on a device (`cpu`, `cuda`, …).

    >>> uses_bf16(False, "cuda")
    False
    """
    if choice == "auto":
        return _cpu_multiplies_bf16() if device == "cpu" else True
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


def _cpu_multiplies_bf16() -> bool:
    return any(torch.cpu.get_capabilities().get(name, False) for name in _INSTRUCTIONS)
