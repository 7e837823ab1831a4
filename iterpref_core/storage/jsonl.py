"""Stream JSONL in and out, with errors that name file, line and field, and files that appear whole or not at all."""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

from pydantic import ValidationError, field_validator

from iterpref_core.records import (
    TEST_EXAMPLES,
    PreferencePair,
    Record,
    RecordError,
    RepeatedKeyError,
    unique_keys,
)

from .items import read_items
from .new_folder import new_path

R = TypeVar("R", bound=Record)

logger = logging.getLogger(__name__)

_OTHER_REJECTED = {"bad", "worse", "lose", "loser", "incorrect", "wrong", "buggy", "rejected_response"}
"""Names of other sets for the rejected program. Such a pair would count as a program alone."""


def describe_validation_error(error: ValidationError) -> str:
    """Return the first fault in a pydantic error as `field 'a.b': Field required`."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    problem = first["msg"].removeprefix("Value error, ")
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        given = first.get("ctx", {}).get("tag")
        problem = f"the kind {given!r} is unknown" if given else "'kind' is missing"
        problem += f"; kinds of tests: {', '.join(TEST_EXAMPLES)}"
    return f"field '{field}': {problem}" if field else problem


def read_jsonl(path: Path | str, record: type[R], *, unique: bool = False, split: str | None = None) -> Iterator[R]:
    """Stream the records of a JSONL file.

    Args:
        path: the file.
        record: the record's class.
        unique: refuse a `task_id` that has been seen before.
        split: the split whose problems are read; a line without its name in quotes is not looked at further, which
            takes a tenth of the time. None: all.

    Raises:
        RecordError: a line is broken, lacks a field or repeats a task_id.
    """
    path = Path(path)
    used: dict[str, int] = {}
    # `closing` ends the generator at once, and its open file with it, when the caller stops early or a line is broken.
    with closing(read_items(path)) as items:
        for item in items:
            if split is not None and f'"{split}"' not in item.text:
                continue
            parsed = parse_record(item.where, item.text, record)
            if split not in {None, vars(parsed).get("split")}:
                continue
            if unique:
                task_id = str(vars(parsed)["task_id"])
                _check_unused(path, item.number, task_id, used)
            yield parsed


def parse_record(where: object, text: str, record: type[R]) -> R:
    """Return the record that a JSON text holds.

    Args:
        where: the place of the text, for the message.
        text: JSON.
        record: the record's class.

    Raises:
        RecordError: the text is not a valid record, or a key occurs twice in an object of it; the message names place,
            fault and an example.
    """
    try:
        parsed = record.model_validate_json(text)
        # pydantic keeps the last value of a repeated key, and records without an example are not written by hand.
        # A line as this project writes it has no repeated key, and is read once. Numbers are not read a second time.
        if record.example and parsed.to_json() != text:
            json.loads(text, object_pairs_hook=unique_keys, parse_int=str, parse_float=str)
    except ValidationError as error:
        raise RecordError(f"{where}: {describe_validation_error(error)}; {_remedy(error, record)}") from None
    except RepeatedKeyError as error:
        raise RecordError(f"{where}: {error}") from None
    return parsed


def _remedy(error: ValidationError, record: type[Record]) -> str:
    """Return an example of the record, or of the test in it, that an error is about."""
    first = error.errors()[0]
    # The place of an error is ("tests", 0, "assert", "code").
    kinds = [part for part in first["loc"] if part in TEST_EXAMPLES]
    if kinds:
        return f"such a test is {TEST_EXAMPLES[str(kinds[0])]}"
    if not record.example:
        return "correct it"
    hint = f"; {record.hint}" if record.hint and first["type"] == "missing" else ""
    return f"such a record is {record.example}{hint}"


# Data of other projects may lack ids, which are made from line numbers then.
class _AnyPair(PreferencePair, extra="allow"):
    task_id: str | None = None  # type: ignore[assignment]

    @field_validator("rejected")
    @classmethod
    def _without_a_program(cls, value: str | None) -> str | None:
        # An empty cell of CSV is an empty text, and no error region can be marked in one.
        return value if value and value.strip() else None


def read_pairs(path: Path | str) -> Iterator[PreferencePair]:
    """Stream preference pairs of any origin; a pair without `task_id` is called `pair-<its line number>`.

    Further columns have no effect, and are logged at the end.

    Raises:
        RecordError: a line is broken, lacks a text or repeats a task_id.
    """
    path = Path(path)
    used: dict[str, int] = {}
    further: Counter[str] = Counter()
    with closing(read_items(path)) as items:
        for item in items:
            try:
                pair = parse_record(item.where, item.text, _AnyPair)
            except RecordError as error:
                raise RecordError(f"{error}{_other_layout(path, item.text)}") from None
            columns = list(pair.model_extra or ())
            if pair.rejected is None and (other := next((name for name in columns if name in _OTHER_REJECTED), "")):
                raise RecordError(f"{item.where}: no 'rejected' but {other!r}{_other_layout(path, item.text)}")
            further.update(columns)
            task_id = pair.task_id or f"pair-{item.number}"
            _check_unused(path, item.number, task_id, used)
            yield PreferencePair(**dict(pair) | {"task_id": task_id})
    log_further(path, further)


def _other_layout(path: Path, text: str) -> str:
    """Return the end of a message about a row that is no pair: the command that may read the file."""
    with suppress(ValueError):
        if isinstance(json.loads(text), dict):
            return f"; a file in another layout is read by: iterpref ingest {path} --format trl --out pairs.jsonl"
    return ""


def log_further(path: Path, columns: Mapping[str, int]) -> None:
    """Log the columns of a file that have no effect, each with the number of its rows."""
    if columns:
        counted = ", ".join(f"{name} ({rows:,} rows)" for name, rows in sorted(columns.items()))
        logger.warning("%s: further columns have no effect: %s", path, counted)


def _check_unused(path: Path, number: int, task_id: str, used: dict[str, int]) -> None:
    first = used.setdefault(task_id, number)
    if first != number:
        raise RecordError(
            f"{path}:{number}: field 'task_id': {task_id!r} was already used on line {first}; "
            "give every record its own task_id"
        )


@contextmanager
def atomic_writer(path: Path | str) -> Iterator[IO[str]]:
    """Open a text file for writing; the file gets its name only when the block ends without an error."""
    path = Path(path)
    if str(path) == os.devnull:
        # A dry run does not keep its records.
        with path.open("w", encoding="utf-8") as nothing:
            yield nothing
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_path(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        yield file
        file.flush()
        # Else a machine that crashes after the renaming could leave the new name with an empty file.
        os.fsync(file.fileno())


def write_text(path: Path | str, text: str) -> None:
    """Write a text to a file that appears whole."""
    with atomic_writer(path) as file:
        file.write(text)


def write_jsonl(path: Path | str, records: Iterable[Record]) -> int:
    """Write records to a file that appears whole; return their number."""
    count = 0
    with atomic_writer(path) as file:
        for item in records:
            file.write(item.to_json() + "\n")
            count += 1
    return count
