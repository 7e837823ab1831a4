"""The time that a program has left, watched from outside."""

import os
import time


class Deadlines:
    """Seconds that a program has left: CPU time of all tests and of the current one, and real time.

    Who reports on a test writes a byte, a tick, into a pipe: the clock of the next test begins, as far as somebody
    looks. Loading the program counts towards all tests together alone. A program could write ticks of its own, so the
    supervisor compares their number with that of the reports.

    Args:
        limits_s: seconds by name of the limit: `cpu`, `test` and `wall`.
        pipe: the end to read ticks from, which does not block; None where a test has no limit of its own.

    Attributes:
        ticks: their number so far.
    """

    def __init__(self, limits_s: dict[str, float], pipe: int | None) -> None:
        self.limits_s = limits_s
        self.ticks = 0
        self._pipe = pipe
        self._started = time.monotonic()
        self._began_s: float | None = None

    def look(self, used_s: float) -> dict[str, float]:
        """Return the seconds left by limit, when the program has used so many CPU seconds in all."""
        if self.count():
            self._began_s = used_s
        used = {
            "cpu": used_s,
            "test": 0.0 if self._began_s is None else used_s - self._began_s,
            "wall": time.monotonic() - self._started,
        }
        return {name: limit_s - used[name] for name, limit_s in self.limits_s.items()}

    def count(self) -> int:
        """Return the number of new ticks."""
        new = 0
        while self._pipe is not None:
            try:
                read = len(os.read(self._pipe, 1 << 16))
            except BlockingIOError:
                break
            if not read:
                break
            new += read
        self.ticks += new
        return new
