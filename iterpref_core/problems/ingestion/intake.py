"""Intake: what every ingestion does: sources are found, rows are read and counted, and files appear whole."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import ValidationError

from iterpref_core.execution import Engine, open_executor
from iterpref_core.problems.ingestion.columns import Columns, LeftOutError
from iterpref_core.problems.ingestion.outcome_store import OutcomeStore
from iterpref_core.records.config import ExecutionParams
from iterpref_core.records.errors import ConfigError, ExecutionError, InputError, RecordError, StorageError
from iterpref_core.records.input_files import parse_json
from iterpref_core.storage.items import Item, read_items
from iterpref_core.storage.jsonl import atomic_writer, describe_validation_error
from iterpref_core.storage.left_out import BAD_RECORD, Dropped, LeftOut, open_left_out
from iterpref_core.storage.progress import show_progress
from iterpref_core.storage.shards import find_shards, layout_of

T = TypeVar("T")

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

    def __init__(self, source: Source, left_out: LeftOut, stack: ExitStack) -> None:
        shards = find_shards(source.paths, source.split, source.config)
        self._stack = stack
        self._sources = {path.resolve() for path in source.paths}
        self._left_out = left_out
        self.rows = islice(_each_row(shards.files, stack), source.limit)
        # The word of the user about these rows counts more than that of a card about the whole set.
        self.license = source.license or shards.license
        self.counts: Counter[str] = Counter()
        self.files_left_out = {f"files_left_out/{split}": count for split, count in shards.left_out.items()}
        self.result = Ingested({}, ())

    def take(
        self, columns: Columns, read: Callable[[dict[str, Any]], T], executor: Engine | None = None
    ) -> Iterator[tuple[Item, T]]:
        """Yield each row that is not left out, with what is read in it.

        Args:
            columns: where each part stands.
            read: reads a row; see `read_row`.
            executor: reads several rows at once, where programs run.
        """
        each = executor.each if executor is not None else _one_by_one
        for item, taken in each(self.rows, lambda item: read_row(item, columns, read)):
            if isinstance(taken, Dropped):
                self._left_out.add(taken)
            else:
                yield item, taken

    def leave_out(self, item: Item, name: str, fault: str) -> None:
        """Leave out a row that was read."""
        self._left_out.add(Dropped(BAD_RECORD, str(item.where), name, fault))

    def open_file(self, path: Path) -> IO[str]:
        """Open a file for writing, which appears under its name when the ingestion has ended well.

        Raises:
            InputError: the file is a source, or lies in one, where the next ingestion would read it.
        """
        if {path.resolve(), *path.resolve().parents} & self._sources:
            raise InputError(f"{path}: is a source, or lies in one; write it elsewhere")
        return self._stack.enter_context(atomic_writer(path))


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
        left_out = stack.enter_context(open_left_out(dropped))
        intake = Intake(source, left_out, stack)
        yield intake
        if not intake.counts[f"{product}s"]:
            raise left_out.nothing_taken(product, source.paths)
        every = {**intake.counts, **left_out.counts, **intake.files_left_out}
        intake.result = Ingested({name: float(count) for name, count in every.items() if count}, left_out.first())


@contextmanager
def open_trials(execution: ExecutionParams, store: Path) -> Iterator[tuple[Engine, OutcomeStore]]:
    """Open an executor, and the store of its outcomes, which is removed when the block ends without an error."""
    with open_executor(execution) as executor, closing(OutcomeStore(store, executor)) as outcomes:
        yield executor, outcomes
    store.unlink(missing_ok=True)


def _one_by_one(items: Iterable[Item], function: Callable[[Item], T]) -> Iterator[tuple[Item, T]]:
    for item in items:
        yield item, function(item)


def _each_row(files: Sequence[Path], stack: ExitStack) -> Iterator[Item]:
    """Stream the rows of all files, numbered across files: after a file of 100 lines comes number 101.

    Raises:
        InputError: a file is absent or not whole, or its name ends as no layout that is read. Bad rows are left out one
            by one, and so an archive would lose those at the beginnings of its files.
    """
    advance = stack.enter_context(show_progress("ingest", None, unit="rows"))
    before = 0
    for path in files:
        if layout_of(path) not in _LAYOUTS:
            raise InputError(
                f"{path}: files that end in {layout_of(path)} are not read; give JSONL, JSON or Parquet, as pandas and "
                "datasets write them"
            )
        number = 0
        for item in read_items(path, nulls=True):
            number = item.number
            yield item._replace(number=before + number)
            advance()
        before += number


def read_row(item: Item, columns: Columns, read: Callable[[dict[str, Any]], T]) -> T | Dropped:
    """Return what is read in a row, or the row with the reason why it is left out.

    Raises:
        ExecutionError: the engine failed.
        ConfigError: a test needs an environment that is not there.
        StorageError: the disk is full.
    """
    name = ""
    reason = BAD_RECORD
    try:
        row = parse_json(item.text)
        if not isinstance(row, dict):
            raise ValueError(f"an object is expected, not {type(row).__name__}")
        name = columns.name(row, "task_id")
        return read(row)
    except (ExecutionError, ConfigError, StorageError, OSError):
        raise
    except LeftOutError as error:
        reason, fault = error.reason, str(error)
    except ValidationError as error:
        fault = describe_validation_error(error)
    except RecordError as error:
        # The message begins with the place.
        fault = str(error).partition(": ")[2]
    except ValueError as error:
        fault = str(error)
    except Exception as error:  # noqa: BLE001 - a row may break anything
        fault = f"a value is of a kind that does not fit ({error})"
    return Dropped(reason, str(item.where), name, fault)
