"""Measure from outside how much time a program has left."""

import os
import time


def waited_s(pid: int) -> float:
    """Return the seconds that a process has waited for a CPU while others used them."""
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError):
        # The kernel has no scheduler statistics.
        return 0.0


class Deadlines:
    """The seconds that a program has left: CPU time of all tests, CPU time of the current test, and real time.

    The clock of the next test starts when `look` finds a new report. Loading the program counts only towards the CPU
    time of all tests. Waiting for a CPU does not count as real time, or a right program could fail on a busy machine.

    Args:
        limits_s: seconds by the name of the limit: `cpu`, `test` and `wall`.
        pid: process id of the program.
        channel: the file of the reports.
    """

    def __init__(self, limits_s: dict[str, float], pid: int, channel: int) -> None:
        self._limits_s = limits_s
        self._pid = pid
        self._channel = channel
        self._reported = 0
        self._began_s: float | None = None
        self._started = time.monotonic()

    def look(self, used_s: float) -> dict[str, float]:
        """Return the seconds left for each limit, after the program has used `used_s` CPU seconds."""
        reported = os.fstat(self._channel).st_size
        if reported > self._reported:
            self._reported = reported
            self._began_s = used_s
        real_s = time.monotonic() - self._started
        if real_s >= self._limits_s["wall"]:
            real_s -= waited_s(self._pid)
        used = {
            "cpu": used_s,
            "test": 0.0 if self._began_s is None else used_s - self._began_s,
            "wall": real_s,
        }
        return {name: limit_s - used[name] for name, limit_s in self._limits_s.items()}
