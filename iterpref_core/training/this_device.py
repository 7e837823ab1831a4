"""This device: the card, or the processor, that training would run on here, with its memory and speed."""

import os
import time

import torch

from iterpref_core.training.training_estimate import ACCELERATORS, Accelerator

_SIDE, _TIMES = 1024, 5


def this_device() -> Accelerator:
    """The first card; without one the processor with all memory of the machine.

    FLOP/s of a card in the table are the vendor's; of others those of a matrix product, which takes some milliseconds.
    """
    if not torch.cuda.is_available():
        memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        return Accelerator("this processor", _matmul_flops("cpu", torch.float32), memory, "cpu")
    name, memory = torch.cuda.get_device_name(0), float(torch.cuda.get_device_properties(0).total_memory)
    known = next((card.flops for card in ACCELERATORS if card.reported == name), None)
    return Accelerator(name, known or _matmul_flops("cuda", torch.bfloat16), memory, name)


def _matmul_flops(device: str, dtype: torch.dtype) -> float:
    side = _SIDE * (8 if device == "cuda" else 1)
    matrix = torch.ones(side, side, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(_TIMES):
        started = time.perf_counter()
        product = matrix @ matrix
        product[0, 0].item()  # waits for the card
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best
