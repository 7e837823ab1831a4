"""Intake: what every ingestion does: sources are found, rows are read and counted, and files appear whole."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from iterpref_core.execution import Engine, open_executor
from iterpref_core.problems.ingestion.outcome_store import OutcomeStore
from iterpref_core.problems.ingestion.rows import count_rows, each_row
from iterpref_core.records.config import ExecutionParams
from iterpref_core.storage.items import Item
from iterpref_core.storage.jsonl import atomic_writer
from iterpref_core.storage.left_out import Dropped, open_left_out
from iterpref_core.storage.progress import show_progress
from iterpref_core.storage.shards import find_shards


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
        dropped: the first rows, and parts of rows, of each reason.
    """

    counts: dict[str, float]
    dropped: tuple[Dropped, ...]


class Intake:
    """An ingestion while it runs: rows in, records out.

    Attributes:
        rows: the rows of the sources.
        license: SPDX of rows that state none.
        counts: counts of what is taken.
        result: the outcome, once all has been read.
    """

    def __init__(self, source: Source, product: str, stack: ExitStack, dropped: Path | None) -> None:
        self._shards = find_shards(source.paths, source.split, source.config)
        self._left_out = stack.enter_context(open_left_out(dropped))
        self._stack = stack
        self.advance = stack.enter_context(
            show_progress("ingest", count_rows(self._shards.files, source.limit), unit="rows")
        )
        self.rows: Iterator[Item] = islice(each_row(self._shards.files), source.limit)
        # The word of the user about these rows counts more than that of a card about the whole set.
        self.license = source.license or self._shards.license
        self.counts: Counter[str] = Counter({f"{product}s": 0})
        self.result = Ingested({}, ())

    def open_file(self, path: Path) -> IO[str]:
        """Open a file for writing, which appears under its name when the ingestion has ended well."""
        return self._stack.enter_context(atomic_writer(path))

    def leave_out(self, row: Dropped) -> None:
        """Leave out a row, or a part of one."""
        self._left_out.add(row)

    def end(self, product: str, source: Source) -> None:
        """Set the result: counts that are not 0, those of left-out rows and files last.

        Raises:
            NothingTakenError: nothing was taken: no `problem`, or no `pair`.
        """
        if not self.counts[f"{product}s"]:
            raise self._left_out.nothing_taken(product, source.paths)
        files = {f"files_left_out/{split}": count for split, count in self._shards.left_out.items()}
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
        intake.end(product, source)


@contextmanager
def open_trials(execution: ExecutionParams, store: Path) -> Iterator[tuple[Engine, OutcomeStore]]:
    """Open an executor, and the store of its outcomes, which is removed when the block ends without an error."""
    with open_executor(execution) as executor, closing(OutcomeStore(store, executor)) as outcomes:
        yield executor, outcomes
    store.unlink(missing_ok=True)
