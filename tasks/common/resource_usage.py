"""Resource usage of this process: memory and CPU time."""

import os
import re
from pathlib import Path


def peak_mb() -> float:
    """Peak resident memory of this process, MiB; `ru_maxrss` would count what its parent held before it was started."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found, "Linux states the peak of every process"
    return int(found[1]) / 1024


def cpu_s() -> float:
    """CPU seconds of this process and of those of its children that have ended and were waited for."""
    return sum(os.times()[:4])
