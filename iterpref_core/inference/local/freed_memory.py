"""Freed memory of a computation on the CPU, which glibc would keep: of a training, of its reference, of generation.

Every batch has another shape. glibc keeps freed blocks below 32 MB for blocks of the same size, and splits them for
smaller ones, so that the memory of a process grows with the number of shapes that it has seen.
"""

import ctypes

import torch

RELEASE_EVERY = 5
"""Passes between two releases: memory that is given back is asked for again, which takes time."""


class PassCounter:
    """A counter of passes that gives freed memory back after every `RELEASE_EVERY` of them.

    A pass is a batch, or the part of one that is computed at once. The passes that follow have other shapes.
    """

    def __init__(self) -> None:
        self._passes = 0

    def count(self, device: torch.device) -> None:
        """Count a pass that has ended.

        Args:
            device: where it was computed.
        """
        self._passes += 1
        if self._passes % RELEASE_EVERY == 0:
            release_freed_memory(device)


def release_freed_memory(device: torch.device) -> None:
    """Give freed memory back to the system; without effect on a GPU, whose allocator is PyTorch's, and without glibc.

    Args:
        device: where the memory was used.
    """
    if device.type != "cpu":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
