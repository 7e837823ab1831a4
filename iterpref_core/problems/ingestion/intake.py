"""Intake: what every ingestion does: sources are found, rows are read and counted, and files appear whole."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from iterpref_core.execution import Engine, open_executor
from iterpref_core.problems.ingestion.outcome_store import OutcomeStore
from iterpref_core.records import Record
from iterpref_core.records.config import ExecutionParams
from iterpref_core.records.errors import InputError
from iterpref_core.records.input_files import parse_json
from iterpref_core.storage.items import Item, read_items
from iterpref_core.storage.jsonl import atomic_writer
from iterpref_core.storage.left_out import Dropped, open_left_out
from iterpref_core.storage.progress import show_progress
from iterpref_core.storage.shards import find_shards, layout_of

_LAYOUTS = (".jsonl", ".ndjson", ".json", ".txt", "", ".parquet")
"""Endings of the files that are read. Those without one, and `.txt`, hold JSON."""


@dataclass(frozen=True)
class Source:
    """The rows that a user wants to read.

    Attributes:
        paths: files, or folders of shards.
        split: the split to read where a folder or a file has several; see `find_shards`.
        config: the configuration to read where a folder has several.
        limit: rows to read, the first ones; None for all.
        license: SPDX of rows that state none, in place of the one on their card.
    """

    paths: Sequence[Path]
    split: str | None = None
    config: str | None = None
    limit: int | None = None
    license: str | None = None


@dataclass(frozen=True)
class Ingested:
    """The outcome of an ingestion.

    Attributes:
        counts: what was taken, and `dropped/<reason>` of rows that are left out; `<part>_left_out/<reason>` of parts of
            rows, and of files.
        dropped: the first rows of each reason.
    """

    counts: dict[str, float]
    dropped: tuple[Dropped, ...]


class Intake:
    """An ingestion while it runs: rows in, records out.

    Attributes:
        rows: the rows of the sources; each is counted in the progress when the next one is read.
        license: SPDX of rows that state none.
        counts: counts of what is taken.
        result: the outcome, once all has been read.
    """

    def __init__(self, source: Source, product: str, stack: ExitStack, dropped: Path | None) -> None:
        shards = find_shards(source.paths, source.split, source.config)
        self._stack = stack
        self._files_left_out = shards.left_out
        self._left_out = stack.enter_context(open_left_out(dropped))
        self._advance = stack.enter_context(show_progress("ingest", None, unit="rows"))
        self.leave_out = self._left_out.add
        self.rows = self._counted(islice(_each_row(shards.files), source.limit))
        # The word of the user about these rows counts more than that of a card about the whole set.
        self.license = source.license or shards.license
        self._product = product
        self._paths = source.paths
        self.counts: Counter[str] = Counter({f"{product}s": 0})
        self.result = Ingested({}, ())

    def _counted(self, rows: Iterator[Item]) -> Iterator[Item]:
        for row in rows:
            yield row
            self._advance()

    def open_file(self, path: Path) -> IO[str]:
        """Open a file for writing, which appears under its name when the ingestion has ended well."""
        return self._stack.enter_context(atomic_writer(path))

    def end(self) -> None:
        """Set the result: counts that are not 0, those of left-out rows and files last.

        Raises:
            NothingTakenError: nothing was taken: no `problem`, or no `pair`.
        """
        if not self.counts[f"{self._product}s"]:
            raise self._left_out.nothing_taken(self._product, self._paths)
        files = {f"files_left_out/{split}": count for split, count in self._files_left_out.items()}
        every = {**self.counts, **self._left_out.counts, **files}
        counts = {name: float(count) for name, count in every.items() if count}
        self.result = Ingested(counts, self._left_out.first())


@contextmanager
def open_intake(source: Source, dropped: Path | None, product: str) -> Iterator[Intake]:
    """Open an ingestion. When the block ends, all files appear; after an error, none but that of left-out rows.

    Args:
        source: the rows to read.
        dropped: JSONL to write every left-out row to, with its reason; not written if None.
        product: what is made, `problem` or `pair`.

    Raises:
        InputError: a file is absent or not whole, or nothing was taken: the message has the reasons.
    """
    with ExitStack() as stack:
        intake = Intake(source, product, stack, dropped)
        yield intake
        intake.end()


@contextmanager
def open_trials(execution: ExecutionParams, store: Path) -> Iterator[tuple[Engine, OutcomeStore]]:
    """Open an executor, and the store of its outcomes, which is removed when the block ends without an error."""
    with open_executor(execution) as executor, closing(OutcomeStore(store, executor)) as outcomes:
        yield executor, outcomes
    store.unlink(missing_ok=True)


def _each_row(files: Sequence[Path]) -> Iterator[Item]:
    """Stream the rows of all files, numbered across files: after a file of 100 lines comes number 101.

    Raises:
        InputError: a file is absent or not whole, or its name ends as no layout that is read. Bad rows are left out one
            by one, and so an archive would lose those at the beginnings of its files.
    """
    before = 0
    for path in files:
        layout = layout_of(path)
        if layout not in _LAYOUTS:
            raise InputError(
                f"{path}: files that end in {layout} are not read; give JSONL, JSON or Parquet, as pandas and "
                "datasets write them"
            )
        number = 0
        for item in read_items(path, nulls=True):
            number = item.number
            yield item._replace(number=before + number)
        before += number


def check_writable(record: Record) -> None:
    """Check that a file can hold a record: UTF-8 has no half of a surrogate pair.

    Raises:
        UnicodeEncodeError: it cannot.
    """
    record.to_json().encode()


def read_object(item: Item) -> dict[str, Any]:
    """Return the JSON object in a row.

    Raises:
        ValueError: the row holds something else.
    """
    row = parse_json(item.text)
    if not isinstance(row, dict):
        raise ValueError(f"an object is expected, not {type(row).__name__}")
    return row
