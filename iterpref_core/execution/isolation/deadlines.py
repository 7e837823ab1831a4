"""The time that a program has left, watched from outside."""

import math
import os
import time
from _blake2 import blake2b  # not `hashlib`, whose OpenSSL makes every fork dearer
from typing import Any

_PIECE = 1 << 16
"""Bytes of the channel that are looked at together."""


class Deadlines:
    r"""Seconds that a program has left: CPU time of all tests and of the current one, and real time.

    A test begins with the report on the one before, as far as somebody looks. Loading the program counts towards all
    tests together alone. A program could write such reports itself, and take them back when the clock has started
    anew. Therefore a digest of all that was seen is kept, never the reports themselves: the next program gets a copy of
    this process's memory.

        seen:     0 value 0 1\n          a report: the clock of the next test runs
        later:    0 value 0 7\n...       rewritten: the digest is another one

    Args:
        limits_s: seconds by name of the limit: `cpu`, `test` and `wall`.
        channel: file of the reports.
    """

    def __init__(self, limits_s: dict[str, float], channel: int) -> None:
        self.limits_s = limits_s
        self._channel = channel
        self._started = time.monotonic()
        self._began: float | None = None
        self._size = 0
        self._digest: Any = None
        self._buffer = bytearray()

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
        size = os.fstat(self._channel).st_size
        if self._digest is None:
            self._digest = blake2b()
            self._buffer = bytearray(_PIECE)
        found = self._add(self._digest, self._size, size)
        self._size = max(size, self._size)
        return found

    def _add(self, digest: Any, start: int, end: int) -> bool:
        """Add a part of the channel to a digest; return whether there is a line break in it."""
        found = False
        while start < end:
            read = os.preadv(self._channel, [memoryview(self._buffer)[: end - start]], start)
            if not read:
                break
            digest.update(memoryview(self._buffer)[:read])
            found = found or self._buffer.find(b"\n", 0, read) >= 0
            self._buffer[:read] = bytes(read)
            start += read
        return found

    def was_rewritten(self) -> bool:
        """Tell whether what was seen of the channel is not there any more as it was."""
        if self._digest is None:
            return False
        again = blake2b()
        self._add(again, 0, self._size)
        return bool(again.digest() != self._digest.digest())
