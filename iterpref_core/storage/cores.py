"""Cores that this process may use."""

import os


def usable_cores() -> int:
    """Return the number of cores that the process may use: all of them on systems that do not tell (macOS, Windows)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
