"""SQLite files, for what grows while a run goes on: opened in one way, with a message for each thing that fails."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iterpref_core.errors import InputError, IterPrefError, StorageError

_WAIT_S = 60.0
"""How long one process waits for another that writes to the same file."""


def key_bytes(text: str) -> bytes:
    """A text as a key: SQLite's own texts cannot hold lone surrogates, and names of foreign data may."""
    return text.encode("utf-8", "surrogatepass")


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
            found: tuple[Any, ...] | None = self._data.execute(statement, values).fetchone()
        return found

    def close(self) -> None:
        """Close the file."""
        self._data.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise _explanation(self._path, error) from None


def _explanation(path: Path, error: sqlite3.DatabaseError) -> IterPrefError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
    if code == sqlite3.SQLITE_FULL:
        return StorageError(f"{path}: the disk is full; free some space and run again, what is in it is kept")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return InputError(f"{path}: the same run is in progress elsewhere; wait for it or end it")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
        return StorageError(f"{path}: cannot be written ({error}); check the folder's permissions and the disk")
    return InputError(f"{path}: cannot be used ({error}); move it away")
