"""Give memory back to the system that a computation on the CPU has freed, and that glibc would keep.

Every batch has another shape. glibc keeps freed blocks below 32 MB for blocks of the same size, and splits them for
smaller ones, so that the memory of a process grows with the number of shapes that it has seen.
"""

import ctypes
import os
from pathlib import Path

import torch

KEPT_BYTES = 512 * 2**20
"""Freed memory that stays with the process: memory that is given back is asked for again, which takes time."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST_MMAP_THRESHOLD = 32 * 2**20
"""Names and bound of `mallopt`, from glibc's malloc.h."""


class FreedMemory:
    """The freed memory of passes, given back as soon as it is more than `KEPT_BYTES`.

    A pass is a batch, or the part of a batch that is computed at once. Between two passes only weights and the like are
    in use. Any memory that a process has beyond its memory at the last release is therefore freed:

        after the release    700 MB
        after a pass        1100 MB     400 MB are kept
        after the next      1300 MB     600 MB are given back
    """

    def __init__(self) -> None:
        _keep_until_release()
        self._in_use = private_bytes()

    def after_pass(self, device: torch.device) -> None:
        """Give freed memory back if it is much; without effect on a GPU, whose allocator is PyTorch's.

        Args:
            device: where the pass was computed.
        """
        if device.type != "cpu" or private_bytes() - self._in_use <= KEPT_BYTES:
            return
        release_freed_memory()
        self._in_use = private_bytes()


def private_bytes() -> int:
    """Return the resident memory of this process without files that are mapped into it; 0 where /proc is not Linux's.

    Source: the fields `resident` and `shared` of /proc/self/statm, in pages.
    """
    path = Path("/proc/self/statm")
    if not path.is_file():
        return 0
    # Pages of mapped files, such as weights, are not freed by glibc.
    _, resident, shared, *_ = map(int, path.read_text(encoding="ascii").split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def release_freed_memory() -> None:
    """Give freed memory back to the system; without effect without glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _keep_until_release() -> None:
    """Have glibc give no memory back by itself; without effect without glibc.

    It would otherwise do so whenever the end of its heap is free, and the next operation needs that memory again.
    Variables of the environment that set it come first.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or os.environ.keys() & {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}:
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
