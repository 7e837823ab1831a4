"""Run journal over the records of a file: what is done so far, so that an interrupted run goes on where it stopped."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self


def digest(text: str) -> str:
    """A short name for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class RunJournal:
    """What came of each record, in their order, one JSON line each, after a line that says what it came from.

    A context manager. Lines of another run, and a last line that was cut off, are dropped.

    Args:
        path: the file; it stays until `remove`.
        identity: names everything that the entries depend on besides the records.

    Attributes:
        count: entries in it, once it has been replayed.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self._path, self._identity = path, identity
        self._file: IO[str]
        self.count = 0

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+", encoding="utf-8")
        self._file.seek(0)
        if self._file.readline() != self._header():
            self._file.seek(0)
            self._file.truncate()
            self._file.write(self._header())
            self._file.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _header(self) -> str:
        return json.dumps({"identity": self._identity}) + "\n"

    def replay(self, records: Iterator[str]) -> int:
        """How many of the first records (digests) have their entry here; what is here beyond them is dropped."""
        self._file.seek(0)
        self._file.readline()
        self.count = 0
        end = self._file.tell()
        while (line := self._file.readline()).endswith("\n"):
            if json.loads(line)["of"] != next(records, None):
                break
            self.count += 1
            end = self._file.tell()
        self._file.seek(end)
        self._file.truncate()
        return self.count

    def append(self, record: str, entry: dict[str, Any]) -> None:
        """Keep what came of a record (its digest), safe from the end of this process."""
        self._file.write(json.dumps({"of": record, "entry": entry}) + "\n")
        self._file.flush()
        self.count += 1

    def entries(self) -> Iterator[dict[str, Any]]:
        """All entries, in order."""
        self._file.seek(0)
        self._file.readline()
        for line in self._file:
            entry: dict[str, Any] = json.loads(line)["entry"]
            yield entry

    def remove(self) -> None:
        """Forget the run: its results are elsewhere."""
        self._path.unlink()
