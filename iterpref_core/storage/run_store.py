"""Run store in SQLite: what came of each record so far, so that an interrupted run goes on where it stopped."""

import hashlib
import json
import logging
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from iterpref_core.storage.sqlite import Database, key_bytes

logger = logging.getLogger(__name__)

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS run (identity TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value TEXT NOT NULL)",
)


def digest(text: str) -> str:
    """A short name for a text."""
    return hashlib.blake2b(key_bytes(text), digest_size=12).hexdigest()


class RunStore:
    """Entries (JSON values) under keys, each on disk once it is set; nothing is held in memory. A context manager.

    The file is locked, until its process ends at the latest: a second run of the same work is kept away. What another
    run or version left in it is dropped, with a warning.

    Args:
        path: the file; it stays until `remove`.
        identity: names everything that the entries depend on besides their keys.

    Raises:
        InputError: another run has this file open, or it is no such file.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path
        begun = path.exists()
        self._data = Database(path, _SCHEMA, exclusive=True)
        if self._data.row("SELECT identity FROM run") != (identity,):
            if begun:
                logger.warning(
                    "%s: what it held is of other inputs or settings, or of another version; begun anew", path
                )
            self._data.execute("DELETE FROM entries")
            self._data.execute("DELETE FROM run")
            self._data.execute("INSERT INTO run VALUES (?)", (identity,))

    def __contains__(self, key: str) -> bool:
        return self._data.row("SELECT 1 FROM entries WHERE key = ?", (key_bytes(key),)) is not None

    def __getitem__(self, key: str) -> Any:
        row = self._data.row("SELECT value FROM entries WHERE key = ?", (key_bytes(key),))
        if row is None:
            raise KeyError(key)
        return json.loads(row[0])

    def __setitem__(self, key: str, value: Any) -> None:
        self._data.execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", (key_bytes(key), json.dumps(value)))

    def remove(self) -> None:
        """Delete the file: the entries have reached their destination."""
        self._data.close()
        for path in (self._path, self._path.with_name(f"{self._path.name}-wal")):
            path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path.exists() and self._data.row("SELECT 1 FROM entries") is None:
            self.remove()  # nothing was done that could be gone on from
        self._data.close()
