"""Left out: rows that an ingestion does not take, each for a reason that is counted."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from iterpref_core.storage.jsonl import atomic_writer

BAD_RECORD = "bad_record"
"""The reason of rows that do not fit their format."""
_SHOWN = 3
"""Rows of a reason that are named."""


@dataclass(frozen=True)
class Dropped:
    """A row that is left out.

    Attributes:
        reason: counted as `dropped/<reason>`.
        where: file, and line or row.
        task_id: name of the problem or pair; empty where the row was not understood.
        explanation: what was wrong; may be empty.
    """

    reason: str
    where: str
    task_id: str = ""
    explanation: str = ""


class LeftOut:
    """The rows that are left out: all are counted and written, the first of each reason are kept.

    Args:
        file: where each is written as a line of JSON; nowhere where it is None.
    """

    def __init__(self, file: IO[str] | None) -> None:
        self._file = file
        self._counts: Counter[str] = Counter()
        self._first: defaultdict[str, list[Dropped]] = defaultdict(list)

    @property
    def counts(self) -> dict[str, int]:
        """`dropped/<reason>`: how many rows."""
        return {f"dropped/{reason}": count for reason, count in self._counts.items()}

    def add(self, row: Dropped) -> None:
        """Leave out a row."""
        self._counts[row.reason] += 1
        if len(self._first[row.reason]) < _SHOWN:
            self._first[row.reason].append(row)
        if self._file is not None:
            self._file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")

    def first(self) -> tuple[Dropped, ...]:
        """Return the first rows of each reason."""
        return tuple(row for rows in self._first.values() for row in rows)

    def explain_nothing(self, what: str, sources: Sequence[Path]) -> str:
        """Return the message for a source that gives nothing.

        Args:
            what: `problem` or `pair`.
            sources: files and folders that were read.
        """
        bad = self._first.get(BAD_RECORD)
        if bad and len(self._counts) == 1:
            return f"{bad[0].where}: {bad[0].explanation}; no record fits, so check the file and --format"
        reasons = ", ".join(f"{count} {reason}" for reason, count in self._counts.items()) or "it is empty"
        shown = self.first()[:1]
        first = "".join(f"; {row.where}: {row.explanation or row.reason}" for row in shown)
        listed = ", ".join(map(str, sources))
        return f"{listed}: no {what} to ingest ({reasons}{first}); check the file and --format"


@contextmanager
def open_left_out(path: Path | None) -> Iterator[LeftOut]:
    """Open the record of what is left out; the file appears whole, and only when the block ends without an error."""
    if path is None:
        yield LeftOut(None)
        return
    with atomic_writer(path) as file:
        yield LeftOut(file)
