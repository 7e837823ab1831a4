"""Outbox to MLflow: written down first, then delivered in order, now or when the server answers again.

One JSON line an item in `.iterpref/outbox/`, the files it speaks of beside it. A run whose tracking server is away, or
that is killed, leaves its file there, and the next one delivers it.
"""

import json
import logging
import re
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel

PAUSE_S = 10.0
"""How long a server that did not answer is left alone."""

log = logging.getLogger("iterpref.run")


Kind = Literal["run", "params", "metrics", "curve", "inputs", "model", "described", "artifact", "tags", "traces", "end"]


class OutboxItem(BaseModel):
    """One thing to record of one run. `run` is our own name of it; the server's is found by a tag."""

    kind: Kind
    run: str
    value: dict[str, Any]


class AwayError(Exception):
    """The server does not answer: the item is kept and tried again."""


class RefusedItemError(Exception):
    """The server will never take this item: it is dropped, with a warning."""


Send = Callable[[OutboxItem], None]
"""Delivers an item, or raises one of the two errors."""


def public_address(uri: str) -> str:
    """An address as it may be written down.

    >>> public_address("https://user:secret@mlflow.example:5000/path")
    'https://mlflow.example:5000/path'
    """
    return re.sub(r"//[^/]*@", "//", uri)


class Outbox:
    """The items of one process. May be used by several threads.

    Args:
        folder: where outboxes are.
        uri: of the tracking server that the items are for.
        send: delivers an item.
    """

    def __init__(self, folder: Path, uri: str, send: Send) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{time.time_ns()}.jsonl"
        self._box = _Box(self._path, send)
        self._owned = _lock_of(self._path)
        self._owned.acquire()  # before there is a box, so that nobody takes it for one that was left
        self._file = self._path.open("x", encoding="utf-8", buffering=1)
        self._file.write(json.dumps({"uri": uri}) + "\n")
        self._lock = threading.Lock()
        self._away_until = 0.0

    def add(self, item: OutboxItem) -> None:
        """Write an item down, and deliver what waits if the server answers."""
        with self._lock:
            self._file.write(item.model_dump_json() + "\n")
            self._deliver()

    def keep(self, source: Path) -> Path:
        """Copy a file or folder as it is now, so that it can be delivered later; returns the copy."""
        with self._lock:
            target = self._box.files / str(time.monotonic_ns()) / source.name
            target.parent.mkdir(parents=True)
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
            return target

    def close(self) -> int:
        """Deliver what can be delivered, and stop; returns how many items wait for another run."""
        with self._lock:
            if self._file.closed:
                return 0
            self._away_until = 0.0
            self._deliver()
            waiting = self._box.waiting()
            self._file.close()
            if not waiting:
                self._box.remove()
            self._owned.release()
            if not waiting:
                self._path.with_suffix(".lock").unlink(missing_ok=True)
        return waiting

    def _deliver(self) -> None:
        if time.monotonic() < self._away_until:
            return
        try:
            self._box.deliver()
        except AwayError as error:
            if not self._away_until:
                log.warning("MLflow does not answer; what is recorded waits in %s: %s", self._path.parent, error)
            self._away_until = time.monotonic() + PAUSE_S


def deliver_leftovers(folder: Path, uri: str, send: Send) -> None:
    """Deliver what earlier processes left for this server, the oldest first; nobody else's who is still at work."""
    for path in sorted(folder.glob("*.jsonl")):
        try:
            with _lock_of(path).acquire(blocking=False):
                if _header(path) == uri:
                    box = _Box(path, send)
                    box.deliver()
                    box.remove()
        except Timeout:
            continue
        except AwayError:
            return
        if not path.exists():
            path.with_suffix(".lock").unlink(missing_ok=True)


def _lock_of(box: Path) -> FileLock:
    """Held by whoever writes to a box, from any thread, or delivers it."""
    return FileLock(box.with_suffix(".lock"), thread_local=False)


def _header(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return str(json.loads(file.readline())["uri"])
    except (FileNotFoundError, ValueError, KeyError):  # another process has delivered it; or it was cut off
        return None


class _Box:
    """A file of items, and how many of its bytes are delivered."""

    def __init__(self, path: Path, send: Send) -> None:
        self.files = path.with_suffix(".files")
        self._path = path
        self._sent = path.with_suffix(".sent")
        self._send = send
        self._offset = int(self._sent.read_text(encoding="ascii")) if self._sent.is_file() else 0

    def deliver(self) -> None:
        with self._path.open("rb") as file:
            if not self._offset:
                self._offset = len(file.readline())
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):  # the process was killed while it wrote
                    return
                item = OutboxItem.model_validate_json(line)
                try:
                    self._send(item)
                except RefusedItemError as error:
                    log.warning("MLflow does not take %s: %s", item.kind, error)
                self._offset += len(line)
                self._note_sent()

    def _note_sent(self) -> None:
        """Whole or not at all, but not synced: what is sent again after a crash is still recorded once."""
        new = self._sent.with_suffix(".new")
        new.write_text(str(self._offset), encoding="ascii")
        new.replace(self._sent)

    def waiting(self) -> int:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            return sum(1 for _ in file)

    def remove(self) -> None:
        shutil.rmtree(self.files, ignore_errors=True)
        self._sent.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)
