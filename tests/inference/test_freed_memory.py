"""Computations on the CPU give freed memory back, as the next batch has another shape."""

import ctypes
from pathlib import Path

import pytest
import torch

from iterpref_core.config import PromptFormat
from iterpref_core.inference.backend import Request, Sampling
from iterpref_core.inference.local import freed_memory
from iterpref_core.inference.local.freed_memory import RELEASE_EVERY, release_freed_memory
from iterpref_core.inference.local.transformers_model import TransformersModel

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


def test_generation_gives_memory_back_after_some_batches(word_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[torch.device] = []
    monkeypatch.setattr(freed_memory, "release_freed_memory", released.append)
    model = TransformersModel(word_model, batch_size=2, prompt=PromptFormat(style="plain"))
    sampling = Sampling(temperature=0.0, max_new_tokens=1)
    batches = RELEASE_EVERY - 1
    model.generate([Request("return x", seed=number) for number in range(2 * batches)], sampling)
    assert not released
    model.generate([Request("return x", seed=0)], sampling)
    assert released == [torch.device("cpu")]
