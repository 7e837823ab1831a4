r"""Items: the JSON objects of a data file in any layout, each with its place for messages.

JSONL, a JSON array, JSON objects of several lines and Parquet are read. Files of JSON may be packed (`PACKED`). All are
streamed but JSON of several lines, whose text is in memory as a whole.
"""

import codecs
import io
import json
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.records.input_files import LinePlace, decode_line, open_input
from iterpref_core.storage.parquet import read_rows
from iterpref_core.storage.shards import layout_of

_HEAD = 4096
_BLANK = " \t\r\n"
_OPENS_VALUES = re.compile(rb"\s*(?:\[|\{[ \t\r]*\n)")
"""The beginning of a JSON array, or of an object of several lines, as `json.dump(..., indent=2)` writes objects."""
_BLANKS = re.compile(f"[{_BLANK},]*")


class Item(NamedTuple):
    """A JSON object of a data file.

    Attributes:
        where: file, and line or row, for messages.
        number: from 1: the line number in JSONL, the object's number in other layouts.
        text: the object as JSON.
    """

    where: LinePlace
    number: int
    text: str


def read_items(path: Path, *, nulls: bool = False) -> Generator[Item]:
    """Stream the objects of a file.

    Args:
        path: the file.
        nulls: True: rows of Parquet keep columns that are null.

    Raises:
        InputError: the file is absent or not whole, or not UTF-8.
        RecordError: JSON of several lines is broken.
    """
    if layout_of(path) == ".parquet":
        for number, row in enumerate(read_rows(path, nulls=nulls), 1):
            yield Item(LinePlace(path, number), number, row)
        return
    with open_input(path) as file:
        head = cast("io.BufferedReader", file).peek(_HEAD)
        if _OPENS_VALUES.match(head.removeprefix(codecs.BOM_UTF8)):
            yield from _read_values(path, file)
            return
        for number, raw in enumerate(file, 1):
            # Files that were put together have a byte order mark in the middle, with which no JSON begins.
            line = decode_line(raw, path, number).removeprefix("\ufeff").rstrip(_BLANK)
            if line:
                yield Item(LinePlace(path, number), number, line)


def _read_values(path: Path, file: IO[bytes]) -> Iterator[Item]:
    """Yield the values of a JSON array, or the objects that stand one behind the other."""
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason}); save the file as UTF-8") from None
    # Only the end of each value is looked for: numbers of any length are left as they are.
    decoder = json.JSONDecoder(parse_int=str, parse_float=str)
    place = LinePlace(path, 1)
    behind = 0
    begin = _behind_blanks(text, 0)
    is_array = text[begin] == "["
    if is_array:
        begin = _behind_blanks(text, begin + 1)
    number = 0
    # The end of an array is its bracket; objects go on to the end of the file.
    while text[begin : begin + 1] != ("]" if is_array else ""):
        place = place.after(text[behind:begin])
        behind = begin
        try:
            _, end = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError) as error:
            where = place.after(text[behind : getattr(error, "pos", behind)])
            reason = getattr(error, "msg", "nested too deeply")
            raise RecordError(f"{where}: not valid JSON ({reason}); correct it, or fetch the file again") from None
        number += 1
        yield Item(place, number, text[begin:end])
        begin = _behind_blanks(text, end)
    if text[begin + 1 :].strip():
        where = place.after(text[behind:begin])
        raise RecordError(f"{where}: more stands behind the JSON array; give every array a file of its own")


def _behind_blanks(text: str, start: int) -> int:
    """Return the place of the next value, behind blanks and commas."""
    found = _BLANKS.match(text, start)
    return found.end() if found else start
