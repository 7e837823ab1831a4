"""Measure from outside how much time a program has left."""

import os
import time
from collections.abc import Callable


def waited_s(pid: int) -> float:
    """Return the seconds that a process has waited for a CPU while others used them."""
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError):
        # The kernel has no scheduler statistics.
        return 0.0


def deadlines(
    limits_s: dict[str, float], pid: int, channel: int, started: float
) -> Callable[[float], dict[str, float]]:
    """Return a function that takes the CPU seconds used, and returns the seconds left for each limit.

    The limits are CPU time of all tests, CPU time of the current test, and real time. The clock of the next test
    starts when a new report is found. Loading the program counts only towards the CPU time of all tests. Waiting for a
    CPU does not count as real time, or a right program could fail on a busy machine.

    Args:
        limits_s: seconds by the name of the limit: `cpu`, `test` and `wall`.
        pid: process id of the program.
        channel: the file of the reports.
        started: when the program was started, by the monotonic clock.
    """
    reported = 0
    began_s: float | None = None

    def look(used_s: float) -> dict[str, float]:
        nonlocal reported, began_s
        size = os.fstat(channel).st_size
        if size > reported:
            reported, began_s = size, used_s
        real_s = time.monotonic() - started
        if real_s >= limits_s["wall"]:
            real_s -= waited_s(pid)
        of_test_s = 0.0 if began_s is None else used_s - began_s
        used = {"cpu": used_s, "test": of_test_s, "wall": real_s}
        return {name: limit_s - used[name] for name, limit_s in limits_s.items()}

    return look
