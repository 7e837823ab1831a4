"""Streaming JSONL in and out: errors name file, line and field; files appear whole or not at all."""

import gzip
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

from pydantic import ValidationError

from iterpref_core.errors import InputError, RecordError, StorageError, storage_error, storage_message
from iterpref_core.records import FocalSpans, PreferencePair, Record

R = TypeVar("R", bound=Record)


def describe_validation_error(error: ValidationError) -> str:
    """The first problem of a pydantic error as `field 'a.b': what is wrong`."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    problem = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"field '{field}' is missing"
    if first["type"] == "union_tag_not_found":
        return f"field '{field}.{first['ctx']['discriminator'].strip(chr(39))}' is missing"
    if first["type"] == "json_invalid":
        return f"not valid JSON ({first['ctx']['error']})"
    return f"field '{field}': {problem}" if field else problem


def parse_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) of the non-empty lines of a UTF-8 file, gzipped where its name ends in `.gz`.

    Raises:
        InputError: the file is absent, or a line is not UTF-8.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if raw.strip():
                    yield number, raw.decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path or run the stage that writes it") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; a JSONL file is needed") from None
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}:{number}: not UTF-8 ({error.reason}); re-encode the file") from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise InputError(f"{path}: not a whole gzip file ({error}); fetch it again") from None


def read_jsonl(path: Path | str, record: type[R], *, unique: bool = False) -> Iterator[R]:
    """Stream the records of a JSONL file.

    Args:
        path: the file.
        record: the record's class.
        unique: refuse a `task_id` that has been seen before.

    Raises:
        RecordError: a line is broken, lacks a field or repeats a task_id.
    """
    return _read(Path(path), lambda _, text: record.model_validate_json(text), unique=unique)


class _AnyPair(Record):
    task_id: str | None = None
    prompt: str
    chosen: str
    rejected: str


def read_pairs(path: Path | str) -> Iterator[PreferencePair]:
    """Stream preference pairs, ours or anybody's: a pair without `task_id` is called `pair-<its line number>`.

    Raises:
        RecordError: a line is broken, lacks one of the three texts or repeats a task_id.
    """

    def parse(number: int, text: str) -> PreferencePair:
        pair = _AnyPair.model_validate_json(text)
        return PreferencePair(**{**dict(pair), "task_id": pair.task_id or f"pair-{number}"})

    return _read(Path(path), parse, unique=True)


def check_spans(spans: FocalSpans, pair: PreferencePair, path: Path) -> None:
    """Look whether spans can be of a pair; `path` is the file they are from.

    Raises:
        RecordError: one lies outside of the program.
    """
    for field, program in (("rejected", pair.rejected), ("chosen", pair.chosen)):
        if any(not 0 <= start <= end <= len(program) for start, end in getattr(spans, field)):
            raise RecordError(
                f"{path}: field {field!r} of {spans.task_id!r}: a span lies outside of the program, "
                f"which has {len(program)} characters; localize these pairs again"
            )


def _read(path: Path, parse: Callable[[int, str], R], *, unique: bool) -> Iterator[R]:
    with closing(_FirstUses()) as uses:
        for number, text in parse_lines(path):
            try:
                item = parse(number, text)
            except ValidationError as error:
                message = describe_validation_error(error)
                remedy = "" if error.errors()[0]["type"] == "schema_version" else "; correct or remove this line"
                raise RecordError(f"{path}:{number}: {message}{remedy}") from None
            if unique:
                task_id = str(vars(item)["task_id"])
                if (first := uses.claim(task_id, number)) != number:
                    raise RecordError(
                        f"{path}:{number}: field 'task_id': {task_id!r} was already used on line {first}; "
                        "give every record its own task_id"
                    )
            yield item


class _FirstUses:
    """The line that used a name first. Beyond some megabytes they are on disk: memory does not grow with the file."""

    def __init__(self) -> None:
        self._data: sqlite3.Connection | None = None

    def claim(self, name: str, line: int) -> int:
        """The line that used it first, which is this one if none did before."""
        if self._data is None:
            self._data = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # a temporary file
            self._data.execute("CREATE TABLE used (name BLOB PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID")
            self._data.execute("BEGIN")
        key = name.encode("utf-8", "surrogatepass")
        if self._data.execute("INSERT OR IGNORE INTO used VALUES (?, ?)", (key, line)).rowcount:
            return line
        return int(self._data.execute("SELECT line FROM used WHERE name = ?", (key,)).fetchone()[0])

    def close(self) -> None:
        """Forget all names."""
        if self._data is not None:
            self._data.close()


@contextmanager
def atomic_writer(path: Path | str) -> Iterator[IO[str]]:
    """Open a text file for writing that appears under its name only when the block ends without an error.

    Raises:
        StorageError: the disk is full, or the folder must not be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        found = storage_error(error)
        if found is None or error.filename not in (None, str(temporary)):
            raise
        raise StorageError(storage_message(error.errno or 0, str(path))) from None
    finally:
        with suppress(OSError):  # of a folder that must not be written; there is no such file then
            temporary.unlink(missing_ok=True)


def write_jsonl(path: Path | str, records: Iterable[Record]) -> int:
    """Write records atomically; returns how many."""
    count = 0
    with atomic_writer(path) as file:
        for item in records:
            file.write(item.to_json() + "\n")
            count += 1
    return count
