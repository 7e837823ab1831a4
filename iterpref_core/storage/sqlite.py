"""SQLite files, for what grows while a run goes on: opened in one way, with a message for each thing that fails."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iterpref_core.errors import InputError, StorageError, storage_errno, storage_message

_WAIT_S = 60.0
"""How long one process waits for another that writes to the same file."""


class Database:
    """An SQLite file whose every statement is a transaction; may be used by several threads.

    What was written has reached the operating system when `execute` returns, so that `kill -9` costs none of it. With a
    write-ahead log and no sync a commit costs microseconds; only a crash of the whole machine can lose the last ones.

    Args:
        path: the file, on a local file system; created where it is missing.
        schema: statements that create what is not there.

    Raises:
        InputError: it is in use elsewhere, or is no such file.
        StorageError: it cannot be written, or the disk is full; the latter of every method.
    """

    def __init__(self, path: Path, schema: Sequence[str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        with self._explained():
            self._data = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
            try:
                for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", *schema):
                    self._data.execute(statement)
            except BaseException:
                self._data.close()
                raise

    def execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run a statement that returns nothing, or whose rows another thread may change meanwhile."""
        with self._lock, self._explained():
            return self._data.execute(statement, values)

    def row(self, statement: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query; None where there is none."""
        with self._lock, self._explained():
            first: tuple[Any, ...] | None = self._data.execute(statement, values).fetchone()
        return first

    def close(self) -> None:
        """Close the file."""
        self._data.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if number := storage_errno(str(error)):
                raise StorageError(storage_message(number, str(self._path))) from None
            reason = f"{self._path}: cannot be used ({error})"
            raise InputError(f"{reason}; wait for the run that uses it, or move it away") from None
