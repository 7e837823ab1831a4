"""Device meters: the clock, the memory and the name of the device that a benchmark runs on, a GPU or this CPU."""

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from iterpref_core.cores import usable_cores
from tasks.benchmarks.tensor_memory import peak_bytes

_PRODUCTS = 10
_SIDE = {"cuda": 8192, "cpu": 1024}


@dataclass(frozen=True)
class Device:
    """Where a benchmark runs: `cuda` or `cpu`. All that differs between the two is here."""

    kind: str

    @property
    def place(self) -> torch.device:
        """As PyTorch takes it."""
        return torch.device(self.kind)

    @property
    def dtype(self) -> torch.dtype:
        """What models are compared in: bfloat16 on a GPU, float32 on a CPU, of which not all are fast in the other."""
        return torch.bfloat16 if self.kind == "cuda" else torch.float32

    @property
    def name(self) -> str:
        """What CUDA calls the card; of a CPU the cores that this process may use."""
        if self.kind == "cuda":
            return torch.cuda.get_device_name()
        return f"CPU, {usable_cores()} cores, {platform.machine()}"

    @property
    def memory(self) -> int | None:
        """Bytes that a GPU has; None for a CPU, whose memory is everybody's."""
        return torch.cuda.get_device_properties().total_memory if self.kind == "cuda" else None

    def clock(self) -> float:
        """Seconds: on a GPU of real time, once all that was asked of it is done; on a CPU of this process.

        What else runs on a machine counts little in the latter.
        """
        if self.kind == "cuda":
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()

    def peak_bytes(self, compute: Callable[[], object]) -> int:
        """Bytes that the tensors made by `compute` take at one time, gradients included.

        On a GPU by its allocator, scratch of kernels included. On a CPU by watching every operation, which takes time.
        """
        if self.kind != "cuda":
            return peak_bytes(compute)
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        compute()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before

    def matmul_flops(self) -> float:
        """FLOP/s of a large matrix product of random numbers in bfloat16, the median of several."""
        side = _SIDE[self.kind]
        one, other = (torch.randn(side, side, device=self.place, dtype=torch.bfloat16) for _ in range(2))
        seconds = []
        for _ in range(_PRODUCTS):
            start = self.clock()
            one @ other
            seconds.append(self.clock() - start)
        return 2 * side**3 / statistics.median(seconds)


def this_device() -> Device:
    """The GPU, where there is one."""
    return Device("cuda" if torch.cuda.is_available() else "cpu")
