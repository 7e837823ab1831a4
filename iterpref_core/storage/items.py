r"""Read the JSON objects of a data file in any layout, each with its place for messages.

JSONL, a JSON array, JSON objects of several lines, and tables (Parquet, CSV, Arrow) are read. Files of JSON may be
packed (`PACKED`). All are streamed but JSON of several lines, whose text is in memory as a whole.
"""

import codecs
import io
import json
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from iterpref_core.records import LinePlace, RecordError, SourceRow, decode_text, open_input

from .shards import layout_of
from .tables import TABLES, read_rows

_HEAD = 4096
_BLANK = " \t\r\n"
_OPENS_VALUES = re.compile(rb"\s*(?:\[|\{[ \t\r]*\n)")
"""The beginning of a JSON array, or of an object of several lines, as `json.dump(..., indent=2)` writes objects."""
_VALUE = re.compile(rf"[^{_BLANK},\[\]]")
"""The beginning of a value. Between two of them are blanks, commas, and the brackets of one or more arrays."""


class Item(NamedTuple):
    """A JSON object of a data file.

    Attributes:
        where: file, and line or row, for messages.
        number: from 1: the line number in JSONL, the object's number in other layouts.
        text: the object as JSON.
        place: the number over all files that are read, if the reader counts them.
        origin: the file in its data set, if the reader states it.
    """

    where: LinePlace
    number: int
    text: str
    place: int = 0
    origin: SourceRow | None = None


def read_items(path: Path, *, nulls: bool = False) -> Generator[Item]:
    """Stream the objects of a file.

    Args:
        path: the file.
        nulls: True: rows of tables keep columns that are null.

    Raises:
        InputError: the file is absent or not whole, or not UTF-8.
        RecordError: JSON of several lines is broken.
    """
    if layout_of(path) in TABLES:
        for number, row in enumerate(read_rows(path, nulls=nulls), 1):
            yield Item(LinePlace(path, number), number, row)
        return
    with open_input(path) as file:
        # The first bytes show whether the file has one object a line.
        head = cast("io.BufferedReader", file).peek(_HEAD)
        if _OPENS_VALUES.match(head.removeprefix(codecs.BOM_UTF8)):
            yield from _read_values(path, file)
            return
        for number, raw in enumerate(file, 1):
            # Files that were put together have a byte order mark in the middle, which JSON must not begin with.
            line = decode_text(raw, path, number).removeprefix("\ufeff").rstrip(_BLANK)
            if line:
                yield Item(LinePlace(path, number), number, line)


def _read_values(path: Path, file: IO[bytes]) -> Iterator[Item]:
    """Yield the values of JSON arrays, or objects one after another."""
    text = decode_text(file.read(), path)
    # Only the end of each value is looked for: numbers of any length are left as they are.
    decoder = json.JSONDecoder(parse_int=str, parse_float=str)
    place = LinePlace(path, 1)
    begin = 0
    found = _VALUE.search(text)
    # Objects are found one by one, without reading numbers or keys.
    number = 0
    while found:
        number += 1
        place = place.after(text[begin : found.start()])
        begin = found.start()
        try:
            _, end = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError) as error:
            where = place.after(text[begin : getattr(error, "pos", begin)])
            reason = getattr(error, "msg", "nested too deeply")
            raise RecordError(f"{where}: not valid JSON ({reason}); correct it, or fetch the file again") from None
        yield Item(place, number, text[begin:end])
        found = _VALUE.search(text, end)
    if text.lstrip().startswith("[") and not text.rstrip().endswith("]"):
        where = place.after(text[begin:])
        raise RecordError(f"{where}: not valid JSON (the array does not end); correct it, or fetch the file again")
