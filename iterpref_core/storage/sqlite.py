"""SQLite files for data that grows during a run, with a message for each failure."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from iterpref_core.records import InputError, StorageError, storage_errno, storage_message

_WAIT_S = 60.0
"""The longest wait, in seconds, for another process that writes to the same file."""


class Database:
    """An SQLite file where every statement is a transaction. Several threads may use it.

    A written row has reached the operating system when `execute` returns, so that `kill -9` loses none. With a
    write-ahead log and no sync a commit costs microseconds; only a crash of the whole machine can lose the last rows.

    Args:
        path: the file, on a local file system; created if missing.
        schema: statements that create missing tables.

    Raises:
        InputError: another process uses the file, or the file is not a database.
        StorageError: the file cannot be written, or the disk is full. Every method raises it for a full disk.
    """

    def __init__(self, path: Path, schema: Sequence[str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        with self._explained():
            self._data = sqlite3.connect(
                path,
                timeout=_WAIT_S,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                # Readers go on while one process writes, and a commit does not wait for the disk.
                for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", *schema):
                    self._data.execute(statement)
            except BaseException:
                self._data.close()
                raise

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return the rows that it finds."""
        # The rows are read under the lock: a cursor is not safe while another thread runs a statement.
        with self._lock, self._explained(), closing(self._data.execute(statement, values)) as cursor:
            return cursor.fetchall()

    def close(self) -> None:
        """Close the file, once no other thread runs a statement; a later statement raises an InputError."""
        # SQLite's library reads freed memory if a connection is closed while a statement runs.
        with self._lock:
            self._data.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            number = storage_errno(str(error))
            if number:
                raise StorageError(storage_message(number, str(self._path))) from None
            reason = f"{self._path}: cannot be used ({error})"
            raise InputError(f"{reason}; wait for the run that uses it, or move it away") from None
