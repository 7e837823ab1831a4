"""Freed memory of a training on the CPU, and of scoring its reference, which glibc would keep.

Every batch has another shape. glibc keeps freed blocks below 32 MB for blocks of the same size, and splits them for
smaller ones, so that the memory of a process grows with the number of shapes that it has seen.
"""

import ctypes

import torch

RELEASE_EVERY = 5
"""Passes of a micro-batch between two releases: memory that is given back is asked for again, which takes time."""


def release_freed_memory(device: torch.device) -> None:
    """Give freed memory back to the system; without effect on a GPU, whose allocator is PyTorch's, and without glibc.

    Args:
        device: where the training computes.
    """
    if device.type != "cpu":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
