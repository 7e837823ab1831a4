"""The time that a program has left, watched from outside."""

import math
import os
import time


class TimeLeft:
    r"""Seconds that a program has left: CPU time of all tests and of the current one, and real time.

    A test begins with the report on the one before, as far as somebody looks. Loading the program counts towards all
    tests together alone. A program could write such reports itself, and take them back when the clock has started
    anew. Therefore each line that was seen is kept, and counts in the end: a line that has started the clock is a
    report that the supervisor reads, and one too many shows that the program has interfered.

        seen:     0 value 0 1\n          a report: the clock of the next test runs
        later:    0 value 0 1\n...       rewritten or cut off: `reports` has the line as it was seen

    Args:
        limits_s: seconds by name of the limit: `cpu`, `test` and `wall`.
        channel: file of the reports.
    """

    def __init__(self, limits_s: dict[str, float], channel: int) -> None:
        self.limits_s = limits_s
        self._channel = channel
        self._started = time.monotonic()
        self._seen = bytearray()
        self._began: float | None = None

    def look(self, used_s: float) -> dict[str, float]:
        """Return the seconds left by limit, when the program has used so many CPU seconds in all."""
        if math.isfinite(self.limits_s["test"]) and self._has_new_line():
            self._began = used_s
        used = {
            "cpu": used_s,
            "test": 0.0 if self._began is None else used_s - self._began,
            "wall": time.monotonic() - self._started,
        }
        return {name: limit_s - used[name] for name, limit_s in self.limits_s.items()}

    def _has_new_line(self) -> bool:
        begin = len(self._seen)
        size = os.fstat(self._channel).st_size
        new = os.pread(self._channel, max(0, size - begin), begin)
        self._seen += new
        return b"\n" in new

    def reports(self, channel: bytes) -> bytes:
        """Return the channel's content at the end; lines that were seen before stand as they were then."""
        return bytes(self._seen) + channel[len(self._seen) :]
