"""Find sources, read and count their rows, and write whole files, as every ingestion does."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import ValidationError

from iterpref_core.execution import Engine
from iterpref_core.programs.source_code.private_data import find_private_in
from iterpref_core.records import (
    ConfigError,
    ExecutionError,
    InputError,
    PreferencePair,
    Problem,
    Record,
    RecordError,
    SourceRow,
    StorageError,
    Trajectory,
    parse_json_at,
    take_name,
)
from iterpref_core.storage.dropped import BAD_RECORD, Dropped, DroppedRows, open_dropped
from iterpref_core.storage.items import Item, read_items
from iterpref_core.storage.jsonl import atomic_writer, describe_validation_error
from iterpref_core.storage.progress import show_progress
from iterpref_core.storage.shards import ENDINGS, fetch, find_origin, find_shards, layout_of

from .columns import Columns, DroppedError, parse_columns
from .presets import Preset
from .row_function import RowFunction, make_rows

T = TypeVar("T")

Taken = tuple[Problem | PreferencePair, Trajectory | None, Counter[str]]
"""A record that a row gives, its trajectory if there is one, and the counts of both."""

_LAYOUTS = {*ENDINGS, ".txt", ""}
"""Endings of the files that are read. Those without one, and `.txt`, hold JSON."""


@dataclass(frozen=True)
class Wanted:
    """The rows that a user wants to read.

    Attributes:
        paths: files, folders of shards, or ids of sets on the hub.
        split: the split to read where a folder or a file has several; see `find_shards`.
        config: the configuration to read where a folder has several.
        limit: rows to read, the first ones; None for all.
        license: SPDX of rows that do not state any; it replaces the license on their card.
        keep: also take rows that hold keys or e-mail addresses.
        function: makes rows of format `problems` of each row; None: rows are read as they are.
    """

    paths: Sequence[Path]
    split: str | None = None
    config: str | None = None
    limit: int | None = None
    license: str | None = None
    keep: bool = False
    function: RowFunction | None = None


@dataclass(frozen=True)
class Ingested:
    """The outcome of an ingestion.

    Attributes:
        counts: numbers of records, and `dropped/<reason>` of rows that are left out; `<part>_dropped/<reason>` of
            parts of rows, and of files.
        dropped: the first rows of each reason.
        findings: sentences on what the user should look at.
    """

    counts: dict[str, int]
    dropped: tuple[Dropped, ...]
    findings: tuple[str, ...] = ()


@dataclass
class Intake:
    """An ingestion while it runs: rows in, records out.

    Attributes:
        wanted: the rows that the user wants.
        columns: the columns of each part.
        license: SPDX of rows that state none.
        rows: the rows of all files.
        drops: the rows that are left out.
        stack: closes files when the ingestion ends.
        counts: numbers of the records that are taken.
        result: the outcome, once all has been read.
    """

    wanted: Wanted
    columns: Columns
    license: str | None
    rows: Iterator[Item]
    drops: DroppedRows
    stack: ExitStack
    counts: Counter[str] = field(default_factory=Counter)
    result: Ingested = field(init=False)

    def take(self, read: Callable[[dict[str, Any]], T], executor: Engine | None = None) -> Iterator[tuple[Item, T]]:
        """Yield each row that is not left out, with the record that is read in it.

        Args:
            read: reads a row; see `read_row`.
            executor: reads several rows at once, where programs run.
        """

        def read_one(item: Item) -> tuple[Item, T] | Dropped:
            return read_row(item, self.columns, lambda row: (item, read(row)))

        # Without an engine no row waits, so rows are read in this thread.
        one_by_one = map(read_one, self.rows)
        return self.drops.keep(
            one_by_one if executor is None else (taken for _, taken in executor.each(self.rows, read_one))
        )

    def screen(self, *records: Record | None) -> Counter[str]:
        """Look for keys and e-mail addresses in the records of a row; return `kept/<reason>` if there is one.

        Raises:
            DroppedError: a record holds one, and the user does not keep these rows.
        """
        found = find_private_in(*records)
        if found is None:
            return Counter()
        if not self.wanted.keep:
            raise DroppedError(found.reason, f"it seems to hold {found}; --keep takes such rows")
        return Counter({f"kept/{found.reason}": 1})

    def rows_of(self, item: Item, license: str | None) -> tuple[SourceRow, ...] | None:
        """Return the provenance of a record that is read in a row and has this license."""
        if item.origin is None:
            return None
        return (item.origin.model_copy(update={"row": item.number, "license": license or self.license}),)

    def open_file(self, path: Path) -> IO[str]:
        """Open a file for writing, which appears under its name when the ingestion has ended well.

        Raises:
            InputError: the file is a source, or lies in one, where the next ingestion would read it.
        """
        # An output inside of a source folder would be read by the next run.
        if {path.resolve(), *path.resolve().parents} & {source.resolve() for source in self.wanted.paths}:
            raise InputError(f"{path}: is a source, or lies in one; write it elsewhere")
        return self.stack.enter_context(atomic_writer(path))


@contextmanager
def open_intake(wanted: Wanted, preset: Preset, columns: str | None, dropped: Path | None) -> Iterator[Intake]:
    """Open an ingestion. When the block ends, all files appear; after an error, only the file of left-out rows does.

    Args:
        wanted: the rows to read.
        preset: their layout.
        columns: the columns of each part; overrides the preset.
        dropped: JSONL to write every left-out row to, with its reason; not written if None.

    Raises:
        ConfigError: `columns` cannot be understood.
        InputError: a file is absent or not whole, or every row is left out; the message has the reasons.
    """
    # A mistake in `--columns` is found before any file is read.
    named = parse_columns(columns, preset.parts, preset=preset.columns, split=wanted.split)
    shards = find_shards(wanted.paths, wanted.split, wanted.config)
    # The user knows these rows; a card describes the whole set.
    license = wanted.license or shards.license or preset.license or None
    with ExitStack() as stack:
        # The record of left-out rows is whole before it is known if any row was taken.
        with open_dropped(dropped) as drops:
            rows: Iterator[Item] = islice(_each_row(shards.files, wanted.paths, stack), wanted.limit)
            if wanted.function is not None:
                rows = drops.keep(make_rows(rows, wanted.function))
            intake = Intake(wanted, named, license, rows, drops, stack)
            yield intake
        if not intake.counts[f"{preset.product}s"]:
            raise drops.nothing_taken(preset.product, wanted.paths)
        files_dropped = {f"files_dropped/{split}": count for split, count in shards.dropped.items()}
        every = {**intake.counts, **drops.counts, **files_dropped}
        counts = {name: count for name, count in every.items() if count}
        intake.result = Ingested(counts, drops.first())


def write_records(
    intake: Intake, taken: Iterable[tuple[Item, Taken]], out: Path, trajectories: Path | None = None
) -> None:
    """Write the records that are taken, under names that are not in use; those without a name get their row's number.

    Args:
        intake: the ingestion.
        taken: a row, and the record that is read in it.
        out: JSONL of the problems or pairs.
        trajectories: JSONL of the trajectories; None: they are not written.
    """
    names: Counter[str] = Counter()
    file = intake.open_file(out)
    trajectory_file = intake.open_file(trajectories) if trajectories else None
    for item, (record, trajectory, counts) in taken:
        # Rows may repeat a name: the second `a` becomes `a#2`. Problems without a name have one by their tests.
        name = take_name(record.task_id or f"pair-{item.place}", names)
        # A record that this project has written before keeps its provenance, also if it has none.
        rows = intake.rows_of(item, record.license) if record.provenance is None else record.provenance
        origin = {"task_id": name, "provenance": rows or None}
        written = record.model_copy(update=origin | {"license": record.license or intake.license})
        file.write(written.to_json() + "\n")
        if trajectory is not None and trajectory_file is not None:
            trajectory_file.write(trajectory.model_copy(update=origin).to_json() + "\n")
        intake.counts.update(counts)


def _each_row(files: Sequence[str], sources: Sequence[Path], stack: ExitStack) -> Iterator[Item]:
    """Stream the rows of all files, numbered across files: after a file of 100 lines comes number 101.

    Raises:
        InputError: a file is absent or not whole, or its name ends as no layout that is read. Bad rows are left out one
            by one, and so an archive would lose those at the beginnings of its files.
    """
    advance = stack.enter_context(show_progress("ingest", None, unit="rows"))
    before = 0
    for path in map(fetch, files):
        if layout_of(path) not in _LAYOUTS:
            raise InputError(
                f"{path}: files that end in {layout_of(path)} are not read; give JSONL, JSON, Parquet, CSV, TSV or "
                "Arrow, as pandas and datasets write them"
            )
        # Rows are numbered within their file, for messages, and over all files, for names.
        number = 0
        origin = find_origin(path, sources)
        for item in read_items(path, nulls=True):
            number = item.number
            yield item._replace(place=before + number, origin=origin)
            advance()
        before += number


def read_row(item: Item, columns: Columns, read: Callable[[dict[str, Any]], T]) -> T | Dropped:
    """Return the record that is read in a row, or the row with the reason why it is left out.

    Raises:
        ExecutionError: the engine failed.
        ConfigError: a test needs an environment that is not there.
        StorageError: the disk is full.
    """
    name = ""
    reason = BAD_RECORD
    try:
        row = parse_json_at(item.text, item.where)
        if not isinstance(row, dict):
            raise ValueError(f"an object is expected, not {type(row).__name__}")
        # The name comes first, so that a left-out row can be named.
        name = columns.name(row, "task_id")
        return read(row)
    except (ExecutionError, StorageError, OSError):
        raise
    except ConfigError as error:
        raise ConfigError(f"{item.where}: {error}") from None
    except DroppedError as error:
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
