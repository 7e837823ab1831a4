"""Streaming JSONL in and out: errors name file, line and field; files appear whole or not at all."""

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import IO, TypeVar

from pydantic import ValidationError

from iterpref_core.errors import RecordError, StorageError, storage_error, storage_message
from iterpref_core.input_files import Place, read_lines
from iterpref_core.records import (
    AssertTest,
    FocalSpans,
    IoTest,
    PreferencePair,
    Record,
    ScriptTest,
    UnittestTest,
)

R = TypeVar("R", bound=Record)

_PARSED_AT = re.compile(r"(.*) at line (\d+) column (\d+)")
_TESTS: dict[str, type[Record]] = {"io": IoTest, "assert": AssertTest, "unittest": UnittestTest, "script": ScriptTest}


def describe_validation_error(error: ValidationError) -> str:
    """The first problem of a pydantic error as `field 'a.b': what is wrong`."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    problem = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        meant = get_close_matches(str(first["loc"][-1]), map(str, first["input"]), n=1)
        return f"field '{field}' is missing" + (f"; did you mean it by '{meant[0]}'?" if meant else "")
    if first["type"] == "union_tag_not_found":
        return f"field '{field}.{first['ctx']['discriminator'].strip(chr(39))}' is missing"
    if first["type"] == "json_invalid":
        return f"not valid JSON ({first['ctx']['error']})"
    return f"field '{field}': {problem}" if field else problem


def record_error(where: Place, error: ValidationError, record: type[Record]) -> RecordError:
    """The first problem of a text that was to be a record, with its place in the user's file, and what is expected.

    Args:
        where: the text begins.
        error: of parsing it.
        record: its class.
    """
    first = error.errors()[0]
    if first["type"] == "schema_version":
        return RecordError(f"{where}: {describe_validation_error(error)}")
    if first["type"] == "json_invalid" and (found := _PARSED_AT.match(first["ctx"]["error"])):
        line, column = int(found[2]), int(found[3])
        where = Place(where.path, where.line + line - 1, where.column + column - 1 if line == 1 else column)
        return RecordError(f"{where}: not valid JSON ({found[1]}); correct it")
    expected, what = _expected(record, first["loc"])
    if first["type"] == "extra_forbidden":
        message = _unknown_field(first["loc"], expected)
    else:
        message = describe_validation_error(error)
    remedy = f"{what} is {expected.example}" if expected.example else "correct it"
    return RecordError(f"{where}: {message}; {remedy}")


def _expected(record: type[Record], place: Sequence[int | str]) -> tuple[type[Record], str]:
    """The class of what stands at a place in a record, and how a message calls it."""
    if place[:1] in (("tests",), ("hidden_tests",)) and len(place) > 1:
        kind = str(place[2]) if len(place) > 2 else "io"
        return _TESTS.get(kind, IoTest), "a test"
    return record, "such a record"


def _unknown_field(place: Sequence[int | str], expected: type[Record]) -> str:
    known = list(expected.model_fields)
    near = get_close_matches(str(place[-1]), known, n=1)
    meant = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
    return f"field '{'.'.join(map(str, place))}' is unknown; {meant}"


def parse_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, text) of the non-empty lines of a UTF-8 file, gzipped where its name ends in `.gz`.

    Raises:
        InputError: the file is absent, or a line is not UTF-8.
    """
    return ((number, text.rstrip()) for number, text in read_lines(path) if text.strip())


def read_jsonl(path: Path | str, record: type[R], *, unique: bool = False) -> Iterator[R]:
    """Stream the records of a JSONL file.

    Args:
        path: the file.
        record: the record's class.
        unique: refuse a `task_id` that has been seen before.

    Raises:
        RecordError: a line is broken, lacks a field or repeats a task_id.
    """
    path = Path(path)
    parsed = ((number, parse_record(Place(path, number), text, record)) for number, text in parse_lines(path))
    return _unique(path, parsed) if unique else (item for _, item in parsed)


def parse_record(where: Place, text: str, record: type[R]) -> R:
    """A record of its JSON text.

    Raises:
        RecordError: it is none; the message says where in the file, and what is expected.
    """
    try:
        return record.model_validate_json(text)
    except ValidationError as error:
        raise record_error(where, error, record) from None


class _AnyPair(Record):
    example = PreferencePair.example

    task_id: str | None = None
    prompt: str
    chosen: str
    rejected: str


def read_pairs(path: Path | str) -> Iterator[PreferencePair]:
    """Stream preference pairs, ours or anybody's: a pair without `task_id` is called `pair-<its line number>`.

    Raises:
        RecordError: a line is broken, lacks one of the three texts or repeats a task_id.
    """
    path = Path(path)

    def parsed() -> Iterator[tuple[int, PreferencePair]]:
        for number, text in parse_lines(path):
            pair = parse_record(Place(path, number), text, _AnyPair)
            yield number, PreferencePair(**{**dict(pair), "task_id": pair.task_id or f"pair-{number}"})

    return _unique(path, parsed())


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


def _unique(path: Path, parsed: Iterator[tuple[int, R]]) -> Iterator[R]:
    with closing(_FirstUses()) as uses:
        for number, item in parsed:
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
def atomic_writers(*paths: Path | None) -> Iterator[list[IO[str] | None]]:
    """Open text files for writing that appear under their names, all of them, when the block ends without an error.

    Args:
        paths: of the files; None for one that is not wanted, which is None in what is yielded too.

    Raises:
        StorageError: the disk is full, or a folder must not be written. No file has changed then.
    """
    wanted = [path for path in paths if path is not None]
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in wanted}
    made = [folder for path in wanted for folder in path.parents if not folder.exists()]  # the innermost first
    try:
        with ExitStack() as stack:
            files: dict[Path, IO[str]] = {}
            for path, name in temporary.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                files[path] = stack.enter_context(name.open("w", encoding="utf-8", newline="\n"))
            yield [files[path] if path is not None else None for path in paths]
            for file in files.values():
                file.flush()
                os.fsync(file.fileno())
        for path, name in temporary.items():
            name.replace(path)
    except OSError as error:
        found = storage_error(error)
        named = {str(name): path for path, name in temporary.items()}
        if found is None or error.filename not in (None, *named):
            raise
        where = named.get(str(error.filename)) or next(iter(wanted))
        raise StorageError(storage_message(error.errno or 0, str(where))) from None
    finally:
        for name in temporary.values():
            with suppress(OSError):  # of a folder that must not be written; there is no such file then
                name.unlink(missing_ok=True)
        for folder in made:
            with suppress(OSError):  # which holds something, as it shall
                folder.rmdir()


@contextmanager
def atomic_writer(path: Path | str) -> Iterator[IO[str]]:
    """Open a text file for writing that appears under its name only when the block ends without an error.

    Raises:
        StorageError: the disk is full, or the folder must not be written.
    """
    with atomic_writers(Path(path)) as (file,):
        assert file is not None
        yield file


def write_jsonl(path: Path | str, records: Iterable[Record]) -> int:
    """Write records atomically; returns how many."""
    count = 0
    with atomic_writer(path) as file:
        for item in records:
            file.write(item.to_json() + "\n")
            count += 1
    return count
