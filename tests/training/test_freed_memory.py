"""A training on the CPU gives freed memory back, as the next batch has another shape."""

import ctypes
from pathlib import Path

import pytest
import torch

from iterpref_core.training import trainer
from iterpref_core.training.model.freed_memory import RELEASE_EVERY, release_freed_memory
from tests.training.conftest import Train

BLOCK = 64 * 1024
"""Bytes of a block, small enough for glibc to keep it."""
BLOCKS = 1600

libc = ctypes.CDLL(None)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(not hasattr(libc, "malloc_trim"), reason="the C library is not glibc")
def test_freed_memory_goes_back_to_the_system() -> None:
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    blocks = []
    for _ in range(BLOCKS):
        block = libc.malloc(BLOCK)
        ctypes.memset(block, 1, BLOCK)
        blocks.append(block)
    # One block in a hundred stays, the last one too: glibc alone gives nothing back that lies below one in use.
    kept = blocks[99::100]
    for block in sorted(set(blocks) - set(kept)):
        libc.free(block)
    before = _resident_bytes()
    release_freed_memory(torch.device("cuda"))
    assert _resident_bytes() == pytest.approx(before, abs=BLOCK * BLOCKS // 10)
    release_freed_memory(torch.device("cpu"))
    assert before - _resident_bytes() > BLOCK * BLOCKS // 2
    for block in kept:
        libc.free(block)


def test_memory_is_released_after_some_micro_batches(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    released = []
    monkeypatch.setattr(trainer, "release_freed_memory", released.append)
    metrics = train("run", "sft", epochs=2, batch_size=4, micro_batch_size=2)
    micro_batches = 2 * int(metrics["steps"])
    assert released == [torch.device("cpu")] * (micro_batches // RELEASE_EVERY)
    assert released
