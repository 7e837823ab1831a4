"""Cores that this process may use."""

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""A container's share of the processors in control groups of version 2 (docs.kernel.org/admin-guide/cgroup-v2.html)."""


THREADS_VARIABLE = "OMP_NUM_THREADS"
"""Names the number of threads to PyTorch and other libraries."""


def usable_cores() -> int:
    """Return the number of cores that the process may use: all on systems that do not report it (macOS, Windows).

    A container's quota counts: `docker run --cpus=2` gives two of 64 cores, whichever they are.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # the file is absent, or has `max 100000`: no quota
        # `150000 100000`: microseconds of processor time in a period of 100000.
        time, period = map(int, _QUOTA.read_text(encoding="ascii").split())
        cores = min(cores, max(1, math.ceil(time / period)))
    return cores


def threads_in(environment: Mapping[str, str]) -> int:
    """Return the number of threads that libraries use in a process of this environment."""
    stated = environment.get(THREADS_VARIABLE, "")
    return int(stated) if stated.isdecimal() else usable_cores()
