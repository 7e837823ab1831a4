"""Child output, line by line; progress bars are thinned out, and repeated warnings left out."""

import contextvars
import io
import logging
import re
import subprocess
import threading
import time
from collections import deque
from typing import IO, cast

PROGRESS_EVERY_S = 10.0
_KEPT = 20
_WARNING = re.compile(r"WARNING: |[\d:.]+ \| WARNING +\| \S+ - ")
"""How a stage begins a line that warns, and Prefect's logging where Prefect runs it."""
_PROGRESS = re.compile(r"^[^/]+: \d+/\d+\b")
"""How `iterpref_core.progress` begins a line."""

log = logging.getLogger("iterpref.run")


class ChildOutput(threading.Thread):
    """Reads a child's output and logs each line under the stage's name; keeps the last ones for an error message.

    A line that ends in a carriage return is a state of a progress bar: one every ten seconds is logged. A record that
    says how far a part of the stage is has the attribute `progress`.

    Args:
        name: of the stage.
        child: its process.
        warned: grows by what the stage warns of; what is in it is not logged again.
    """

    def __init__(self, name: str, child: subprocess.Popen[bytes], warned: set[str]) -> None:
        super().__init__(name=f"output of {name}", daemon=True)
        self._stage = name
        self._stream = io.TextIOWrapper(cast("IO[bytes]", child.stdout), encoding="utf-8", errors="replace", newline="")
        self._tail: deque[str] = deque(maxlen=_KEPT)
        self._next_progress = 0.0
        self._warned = warned
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
            if (warning := _WARNING.match(text)) is not None:
                text = f"warning: {text[warning.end() :]}"
                if text in self._warned:
                    continue
                self._warned.add(text)
            log.info("%-19s %s", self._stage, text, extra={"progress": True} if _PROGRESS.search(text) else None)

    def tail(self) -> str:
        """The last lines."""
        return "\n".join(self._tail)

    def _due(self) -> bool:
        now = time.monotonic()
        if now < self._next_progress:
            return False
        self._next_progress = now + PROGRESS_EVERY_S
        return True
