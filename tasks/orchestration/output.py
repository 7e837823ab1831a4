"""What a child prints, line by line; progress bars are thinned out."""

import contextvars
import io
import logging
import subprocess
import threading
import time
from collections import deque
from typing import IO, cast

PROGRESS_EVERY_S = 10.0
_KEPT = 20

log = logging.getLogger("iterpref.run")


class ChildOutput(threading.Thread):
    """Reads a child's output and logs each line under the stage's name; keeps the last ones for an error message.

    A line that ends in a carriage return is a state of a progress bar: one every ten seconds is logged.
    """

    def __init__(self, name: str, child: subprocess.Popen[bytes]) -> None:
        super().__init__(name=f"output of {name}", daemon=True)
        self._stage = name
        self._stream = io.TextIOWrapper(cast("IO[bytes]", child.stdout), encoding="utf-8", errors="replace", newline="")
        self._tail: deque[str] = deque(maxlen=_KEPT)
        self._next_progress = 0.0
        self._context = contextvars.copy_context()  # in it, what is logged belongs to the present task run

    def run(self) -> None:
        """Read until the child and all that inherited its output have closed it."""
        self._context.run(self._read)

    def _read(self) -> None:
        for line in self._stream:
            text = line.rstrip()
            if not text or (line.endswith("\r") and not self._due()):
                continue
            self._tail.append(text)
            log.info("%-19s %s", self._stage, text)

    def tail(self) -> str:
        """The last lines."""
        return "\n".join(self._tail)

    def _due(self) -> bool:
        now = time.monotonic()
        if now < self._next_progress:
            return False
        self._next_progress = now + PROGRESS_EVERY_S
        return True
