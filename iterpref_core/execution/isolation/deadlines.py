"""The time that a program has left, watched from outside."""

import os
import time


def waited_s(pid: int) -> float:
    """Return the seconds that a process has waited for a CPU, while others had all of them."""
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0  # a kernel without scheduler statistics


class Deadlines:
    """Seconds that a program has left: CPU time of all tests and of the current one, and real time.

    The clock of the next test begins when somebody looks and finds a report that was not there before. Loading the
    program counts towards all tests together alone. Time in which the program waited for a CPU is no real time: on a
    busy machine it would fail a right program.

    Args:
        limits_s: seconds by name of the limit: `cpu`, `test` and `wall`.
        pid: of the program.
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
        """Return the seconds left by limit, when the program has used so many CPU seconds in all."""
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
