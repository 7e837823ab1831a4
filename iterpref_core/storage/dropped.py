"""Count and record the rows that a verb leaves out, each for a reason."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TypeVar

from pydantic import TypeAdapter, ValidationError

from iterpref_core.records import InputError, RecordError

from .items import read_items
from .jsonl import atomic_writer, describe_validation_error

T = TypeVar("T")

BAD_RECORD = "bad_record"
"""The reason for rows that do not fit their format."""
_SHOWN = 3
"""The number of rows that are shown for each reason."""


@dataclass(frozen=True)
class Dropped:
    """A row that is left out.

    Attributes:
        reason: counted as `dropped/<reason>`.
        where: file, and line or row.
        task_id: name of the problem or pair; empty if the row could not be read.
        explanation: the fault in words; may be empty.
        partner: the row or the benchmark's task that this one repeats; empty if it repeats none.
    """

    reason: str
    where: str
    task_id: str = ""
    explanation: str = ""
    partner: str = ""

    @property
    def first_line(self) -> str:
        """Return the first line of the explanation, such as a program's feedback."""
        return self.explanation.partition("\n")[0]


class DroppedRows:
    """The rows that are left out: all are counted and written, the first of each reason are kept.

    Args:
        file: file to write each row to as a line of JSON; None: rows are not written.

    Attributes:
        counts: `dropped/<reason>` → number of rows.
    """

    def __init__(self, file: IO[str] | None) -> None:
        self._file = file
        self.counts: Counter[str] = Counter()
        self._first: defaultdict[str, list[Dropped]] = defaultdict(list)

    def keep(self, rows: Iterable[T | Dropped]) -> Iterator[T]:
        """Yield what a filter lets through; count and write each row that it drops instead."""
        for row in rows:
            if isinstance(row, Dropped):
                self.add(row)
            else:
                yield row

    def add(self, row: Dropped) -> None:
        """Leave out a row."""
        name = f"dropped/{row.reason}"
        self.counts[name] += 1
        if self.counts[name] <= _SHOWN:
            self._first[name].append(row)
        # All rows are written, not only the rows that are kept for the terminal.
        if self._file is not None:
            line = json.dumps(asdict(row), ensure_ascii=False)
            # A lone surrogate of the row, which UTF-8 does not have, is written as JSON's escape of it.
            self._file.write(line.encode(errors="backslashreplace").decode() + "\n")

    def first(self) -> tuple[Dropped, ...]:
        """Return the first rows of each reason."""
        return tuple(row for rows in self._first.values() for row in rows)

    def nothing_taken(
        self, product: str, sources: Sequence[Path], remedy: str = "check the file and --format"
    ) -> InputError:
        """Return the error for sources whose rows are all left out, with a row of the commonest reason.

        A row with an explanation is preferred.

        Args:
            product: `problem` or `pair`.
            sources: files and folders that were read.
            remedy: what the user can do.
        """
        listed = ", ".join(map(str, sources))
        found = "nothing is in it"
        if first := self.first():
            row = max(first, key=lambda row: (bool(row.explanation), self.counts[f"dropped/{row.reason}"]))
            reasons = ", ".join(f"{count} {name.removeprefix('dropped/')}" for name, count in self.counts.items())
            found = f"{reasons}; {row.where}: {row.first_line or row.reason}"
        return InputError(f"{listed}: no {product} to ingest ({found}); {remedy}")


def read_dropped(path: Path) -> Iterator[Dropped]:
    """Stream the rows of a file that `open_dropped` wrote.

    Raises:
        RecordError: a line is broken.
    """
    adapter = TypeAdapter(Dropped)
    for item in read_items(path):
        try:
            yield adapter.validate_json(item.text)
        except ValidationError as error:
            raise RecordError(f"{item.where}: {describe_validation_error(error)}; make the file again") from None


@contextmanager
def open_dropped(path: Path | None) -> Iterator[DroppedRows]:
    """Open the record of left-out rows. The file appears whole when the block ends without an error."""
    if path is None:
        yield DroppedRows(None)
        return
    with atomic_writer(path) as file:
        yield DroppedRows(file)
