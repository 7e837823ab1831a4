"""JSON items: objects of a JSONL file, or rows of a Parquet file, each with its place for messages."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from iterpref_core.errors import RecordError
from iterpref_core.input_files import Place
from iterpref_core.records import Record
from iterpref_core.storage.jsonl import describe_validation_error, parse_lines, parse_record

R = TypeVar("R", bound=Record)
T = TypeVar("T")


class JsonItem(NamedTuple):
    """One object of a file: where it is, by its line or row, from 1; and its JSON text."""

    where: Place
    text: str


def read_items(path: Path) -> Iterator[JsonItem]:
    """Stream the objects of a file: one a line (`.gz` too), or rows of Parquet.

    Raises:
        InputError: the file is absent or not whole, or a line is not UTF-8.
    """
    return (JsonItem(Place(path, number), text) for number, text in parse_lines(path))


def count_items(path: Path) -> int:
    """How many objects a file has."""
    return sum(1 for _ in read_items(path))


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
