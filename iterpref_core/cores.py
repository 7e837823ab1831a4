"""Cores that this process may use."""

import os


def usable_cores() -> int:
    """How many cores the process is allowed: all, where the system does not say, as on macOS and Windows."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
