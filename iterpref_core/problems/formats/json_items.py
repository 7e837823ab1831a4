"""JSON items: objects of a JSONL file or a JSON array, or rows of a Parquet file, each with its place for messages."""

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from iterpref_core.errors import InputError, RecordError
from iterpref_core.execution import Outcome
from iterpref_core.input_files import Place, open_input, read_lines
from iterpref_core.records import Problem, Record
from iterpref_core.storage.jsonl import describe_validation_error, parse_lines, parse_record
from iterpref_core.storage.parquet import is_parquet, read_rows

R = TypeVar("R", bound=Record)
T = TypeVar("T")

_CHUNK = 1 << 20
_BETWEEN = re.compile(r"[\s,]*")


class JsonItem(NamedTuple):
    """One object of a file: its JSON text, its number from 1 (of the line or row, or in the array), where it begins."""

    number: int
    where: Place
    text: str


class Broken(NamedTuple):
    """A problem without a sound reference: what happened when that was run."""

    task_id: str
    outcome: Outcome


class Entry(NamedTuple):
    """What was made of one object: a problem, a broken one, or the reason why it is left out; and tests it lost."""

    number: int
    where: Place
    found: Problem | Broken | str
    dropped_tests: Mapping[str, int] = MappingProxyType({})


def read_items(path: Path) -> Iterator[JsonItem]:
    """Stream the objects of a file: one a line, or all in one JSON array (`.gz` too), or the rows of Parquet.

    Raises:
        InputError: the file is absent or not whole, a line is not UTF-8, or the array is broken.
    """
    if is_parquet(path):
        for number, text in enumerate(read_rows(path), 1):
            yield JsonItem(number, Place(path, number), text)
    elif _is_array(path):
        for number, (where, text) in enumerate(_array_items(path), 1):
            yield JsonItem(number, where, text)
    else:
        for number, text in parse_lines(path):
            yield JsonItem(number, Place(path, number), text)


def count_items(path: Path) -> int:
    """How many objects a file has."""
    return sum(1 for _ in read_items(path))


def read_entries(path: Path, record: type[R], convert: Callable[[R], Problem | str]) -> Iterator[Entry]:
    """What becomes of each object of a file.

    Args:
        path: the file.
        record: the class of its objects.
        convert: makes a problem of one, or says why it is left out.

    Raises:
        RecordError: an object is no such record, or cannot be converted.
    """
    for item in read_items(path):
        yield Entry(item.number, item.where, parse_item(item, record, convert))


def parse_item(item: JsonItem, record: type[R], convert: Callable[[R], T]) -> T:
    """What becomes of one object.

    Raises:
        RecordError: it is no such record, or `convert` raises a ValueError, which names the field; the message says
            where.
    """
    parsed = parse_record(item.where, item.text, record)
    try:
        return convert(parsed)
    except ValidationError as error:  # of what is made of it
        reason = describe_validation_error(error)
    except ValueError as error:
        reason = str(error)
    except RecursionError:
        reason = "a program is nested too deeply"
    raise RecordError(f"{item.where}: {reason}; correct it")


def _is_array(path: Path) -> bool:
    """Whether a file begins with `[`. What cannot be opened is none: whoever reads its lines says what is wrong."""
    try:
        with open_input(path) as file:
            head = file.read(64)
    except (InputError, OSError):
        return False
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[") and b"\0" not in head


def _array_items(path: Path) -> Iterator[tuple[Place, str]]:
    """An array's objects, each with where it begins; holds one chunk and one object at a time."""
    try:
        with open_input(path) as raw, codecs.getreader("utf-8-sig")(raw) as file:
            yield from _split(file, Place(path, 1))
    except UnicodeDecodeError:
        for _ in read_lines(path):  # says which line
            pass
        raise


def _split(file: codecs.StreamReader, place: Place) -> Iterator[tuple[Place, str]]:
    decoder = json.JSONDecoder()
    buffer = str(file.read(_CHUNK))
    position = buffer.index("[") + 1
    place = place.after(buffer[:position])
    while True:
        if found := _BETWEEN.match(buffer, position):
            place, position = place.after(found[0]), found.end()
        if buffer.startswith("]", position):
            return
        try:
            value, end = decoder.raw_decode(buffer, position)
        except json.JSONDecodeError as error:
            # Perhaps only because the chunk ends within the object. Reading ever more at once keeps this linear.
            more = file.read(max(_CHUNK, len(buffer) - position))
            if not more:
                where = place.after(buffer[position : error.pos])
                raise RecordError(f"{where}: not valid JSON ({error.msg}); correct it") from None
            buffer, position = buffer[position:] + more, 0
            continue
        except RecursionError:
            raise RecordError(f"{place}: nested too deeply; correct it") from None
        if not isinstance(value, dict):
            raise RecordError(f"{place}: is no JSON object; correct it")
        text = buffer[position:end]
        yield place, text
        place, position = place.after(text), end
