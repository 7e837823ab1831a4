"""Computations on the CPU give freed memory back, as the next batch has another shape."""

import ctypes

import pytest
import torch

from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.models.inference.transformers_model import TransformersModel
from iterpref_core.models.pretrained import freed_memory
from iterpref_core.models.pretrained.freed_memory import KEPT_BYTES, FreedMemory, private_bytes, release_freed_memory
from iterpref_core.records import PromptFormat

BLOCK = 64 * 1024
"""Bytes of a block, small enough for glibc to keep it."""
BLOCKS = 1600

libc = ctypes.CDLL(None)


@pytest.mark.skipif(not hasattr(libc, "malloc_trim"), reason="the C library is not glibc")
def test_freed_memory_goes_back_to_the_system():
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
    before = private_bytes()
    release_freed_memory()
    assert before - private_bytes() > BLOCK * BLOCKS // 2
    for block in kept:
        libc.free(block)


def test_what_passes_leave_is_given_back_once_it_is_much(monkeypatch):
    held = [700]
    released = []

    def release():
        released.append(held[0])
        held[0] = 720

    monkeypatch.setattr(freed_memory, "private_bytes", lambda: held[0] * KEPT_BYTES // 100)
    monkeypatch.setattr(freed_memory, "release_freed_memory", release)
    freed = FreedMemory()
    for after_pass in (750, 800, 801, 820, 900):
        held[0] = after_pass
        freed.after_pass(torch.device("cpu"))
    assert released == [801, 900]
    held[0] = 2000
    freed.after_pass(torch.device("cuda"))
    assert len(released) == 2


def test_generation_gives_memory_back_after_a_batch(word_model, growing_memory):
    model = TransformersModel(word_model, batch_size=2, prompt=PromptFormat(template="plain"))
    requests = [Request("return x", seed=number) for number in range(5)]
    model.generate(requests, Sampling(temperature=0.0, max_new_tokens=1))
    assert growing_memory.count == 3
