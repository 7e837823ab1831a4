"""JSON items: the objects of a JSONL file or of a JSON array, one after another, each with its place for messages."""

import codecs
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, NamedTuple, TypeVar, cast

from pydantic import ValidationError

from iterpref_core.errors import InputError, RecordError
from iterpref_core.execution import Outcome
from iterpref_core.records import Problem
from iterpref_core.storage.jsonl import describe_validation_error, parse_lines

T = TypeVar("T")

_CHUNK = 1 << 20
_BETWEEN = re.compile(r"[\s,]*")


class JsonItem(NamedTuple):
    """One object of a file: its JSON text, its number from 1 (of the line, or in the array) and `FILE:LINE`."""

    number: int
    where: str
    text: str


class Broken(NamedTuple):
    """A problem without a sound reference: what happened when that was run."""

    task_id: str
    outcome: Outcome


class Entry(NamedTuple):
    """What was made of one object: a problem, a broken one, or the reason why it is left out; and tests it lost."""

    number: int
    where: str
    found: Problem | Broken | str
    dropped_tests: Mapping[str, int] = MappingProxyType({})


def read_items(path: Path) -> Iterator[JsonItem]:
    """Stream the objects of a file, gzipped where its name ends in `.gz`: one a line, or all in one JSON array.

    Raises:
        InputError: the file is absent or not whole, a line is not UTF-8, or the array is broken.
    """
    if _is_array(path):
        for position, text in enumerate(_array_items(path), 1):
            yield JsonItem(position, f"{path}: item {position}", text)
    else:
        for number, text in parse_lines(path):
            yield JsonItem(number, f"{path}:{number}", text)


def count_items(path: Path) -> int:
    """How many objects a file has."""
    return sum(1 for _ in read_items(path))


def read_entries(path: Path, parse: Callable[[str], Problem | str]) -> Iterator[Entry]:
    """What a parser makes of each object of a file.

    Raises:
        RecordError: the parser refuses one.
    """
    for item in read_items(path):
        yield Entry(item.number, item.where, parse_item(item, parse))


def parse_item(item: JsonItem, parse: Callable[[str], T]) -> T:
    """What a parser makes of one object.

    Raises:
        RecordError: the parser raises a ValueError, which names the field; the message adds where.
    """
    try:
        return parse(item.text)
    except ValidationError as error:
        message = describe_validation_error(error)
    except ValueError as error:
        message = str(error)
    raise RecordError(f"{item.where}: {message}; correct or remove this line")


def _open(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _is_array(path: Path) -> bool:
    """Whether a file begins with `[`. What cannot be opened is none: whoever reads its lines says what is wrong."""
    try:
        with _open(path) as file:
            return file.read(64).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")
    except (OSError, EOFError):
        return False


def _array_items(path: Path) -> Iterator[str]:
    """The texts of an array's objects; holds one chunk and one object at a time."""
    try:
        with _open(path) as raw, codecs.getreader("utf-8-sig")(raw) as file:
            yield from _split(file, path)
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: not UTF-8 ({error.reason}); re-encode the file") from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise InputError(f"{path}: not a whole gzip file ({error}); fetch it again") from None


def _split(file: codecs.StreamReader, path: Path) -> Iterator[str]:
    decoder = json.JSONDecoder()
    buffer = str(file.read(_CHUNK))
    position, number = buffer.index("[") + 1, 1
    while True:
        found = _BETWEEN.match(buffer, position)
        position = found.end() if found else position
        if buffer.startswith("]", position):
            return
        try:
            value, end = decoder.raw_decode(buffer, position)
        except json.JSONDecodeError as error:
            # Perhaps only because the chunk ends within the object. Reading ever more at once keeps this linear.
            more = file.read(max(_CHUNK, len(buffer) - position))
            if not more:
                raise RecordError(f"{path}: item {number}: not valid JSON ({error.msg}); correct the file") from None
            buffer, position = buffer[position:] + more, 0
            continue
        if not isinstance(value, dict):
            raise RecordError(f"{path}: item {number}: is no JSON object; correct the file")
        yield buffer[position:end]
        position = end
        number += 1
