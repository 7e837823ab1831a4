"""Cores that this process may use."""

import math
import os
from contextlib import suppress
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""A container's share of the processors in control groups of version 2 (docs.kernel.org/admin-guide/cgroup-v2.html)."""


def usable_cores() -> int:
    """Return the number of cores that the process may use: all of them on systems that do not tell (macOS, Windows).

    A container's quota counts: `docker run --cpus=2` gives two of 64 cores, whichever they are.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or `max 100000`: no quota
        # `150000 100000`: microseconds of processor time in a period of so many microseconds.
        time, period = map(int, _QUOTA.read_text(encoding="ascii").split())
        cores = min(cores, max(1, math.ceil(time / period)))
    return cores
