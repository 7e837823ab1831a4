r"""Items: the JSON objects of a data file in any layout, each with its place for messages.

JSONL, a JSON array, JSON objects of several lines, Parquet, Arrow (as `datasets` saves it) and CSV are read. Files may
be packed (`PACKED`). All are streamed but JSON of several lines, whose text is in memory as a whole.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.records.input_files import LinePlace, decode_line, open_text
from iterpref_core.storage.parquet import RowPlace, read_rows
from iterpref_core.storage.shards import layout_of

_HEAD = 4096
_BLANK = " \t\r\n"
_MAX_VALUE = 1 << 30
_OPENS_VALUES = re.compile(rb"\s*(?:\[|\{[ \t\r]*\n)")
"""The beginning of a JSON array, or of an object of several lines, as `json.dump(..., indent=2)` writes objects."""
_BLANKS = re.compile(f"[{_BLANK}]*")
_TABLES = (".parquet", ".arrow")


class Item(NamedTuple):
    """A JSON object of a data file.

    Attributes:
        where: file, and line or row, for messages.
        number: from 1: the line number in JSONL, the object's number in other layouts.
        text: the object as JSON.
    """

    where: LinePlace | RowPlace
    number: int
    text: str


def read_items(path: Path, *, lenient: bool = False) -> Generator[Item]:
    """Stream the objects of a file.

    Args:
        path: the file.
        lenient: True: a row that is not UTF-8 is an item too, with a lone surrogate for each byte that is none. So the
            row can be left out and counted. Rows of Parquet and Arrow keep columns that are null.

    Raises:
        InputError: the file is absent or not whole, or not UTF-8.
        RecordError: JSON of several lines is broken.
    """
    layout = layout_of(path)
    if layout in _TABLES:
        for number, row in enumerate(read_rows(path, nulls=lenient), 1):
            yield Item(RowPlace(path, number), number, row)
        return
    if layout == ".csv":
        yield from _read_csv(path, lenient=lenient)
        return
    with open_text(path) as file:
        head = cast("io.BufferedReader", file).peek(_HEAD)
        if _OPENS_VALUES.match(head.removeprefix(codecs.BOM_UTF8)):
            yield from _read_values(path, file, lenient=lenient)
            return
        for number, raw in enumerate(file, 1):
            # Files that were put together have a byte order mark in the middle, with which no JSON begins.
            line = _line(raw, path, number, lenient=lenient).removeprefix("\ufeff").rstrip(_BLANK)
            if line:
                yield Item(LinePlace(path, number), number, line)


def _line(raw: bytes, path: Path, number: int, *, lenient: bool) -> str:
    try:
        return decode_line(raw, path, number)
    except InputError:
        if not lenient:
            raise
        return raw.decode("utf-8", "surrogateescape")


def _decoded(file: IO[bytes], *, lenient: bool) -> io.TextIOWrapper:
    """Return a file as text, as `_line` does for a line."""
    errors = "surrogateescape" if lenient else "strict"
    return io.TextIOWrapper(cast("io.BufferedReader", file), encoding="utf-8-sig", errors=errors, newline="")


def _read_csv(path: Path, *, lenient: bool) -> Iterator[Item]:
    """Stream the rows of a CSV file with a header; every value is a text."""
    # The module's own limit is 131,072 characters for a value.
    csv.field_size_limit(_MAX_VALUE)
    with open_text(path) as file, _decoded(file, lenient=lenient) as text:
        rows = csv.reader(text, strict=True)
        header: list[str] | None = None
        number = 0
        try:
            for row in rows:
                if header is None:
                    header = row
                    if len(set(header)) < len(header):
                        raise InputError(f"{path}: two columns have the same name ({', '.join(header)}); rename one")
                    continue
                # A blank line, as between rows of JSONL.
                if not row:
                    continue
                number += 1
                # A row with too few or too many values is no object, and is left out by who reads it.
                fields: Any = dict(zip(header, row, strict=True)) if len(row) == len(header) else row
                yield Item(LinePlace(path, rows.line_num), number, json.dumps(fields, ensure_ascii=False))
        except csv.Error as error:
            raise InputError(
                f"{path}:{rows.line_num}: not valid CSV ({error}); put commas between values, or fetch the file again"
            ) from None
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 ({error.reason}); save the file as UTF-8") from None


def _read_values(path: Path, file: IO[bytes], *, lenient: bool) -> Iterator[Item]:
    """Yield the values of a JSON array, or the objects that stand one behind the other."""
    try:
        with _decoded(file, lenient=lenient) as opened:
            text = opened.read()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason}); save the file as UTF-8") from None
    # Only the end of each value is looked for: numbers of any length are left as they are.
    decoder = json.JSONDecoder(parse_int=str, parse_float=str)
    place = LinePlace(path, 1)
    behind = 0
    end = _behind_blanks(text, 0)
    is_array = text[end] == "["
    if is_array:
        end = _behind_blanks(text, end + 1)
    number = 0
    more = text[end : end + 1] != "]"
    while more:
        place = place.after(text[behind:end])
        behind = end
        try:
            _, end = decoder.raw_decode(text, end)
        except (ValueError, RecursionError) as error:
            where = place.after(text[behind : getattr(error, "pos", behind)])
            reason = getattr(error, "msg", "nested too deeply")
            raise RecordError(f"{where}: not valid JSON ({reason}); correct it, or fetch the file again") from None
        number += 1
        yield Item(place, number, text[behind:end])
        end = _behind_blanks(text, end)
        mark = text[end : end + 1]
        more = mark == "," if is_array else mark != ""
        if is_array and more:
            end = _behind_blanks(text, end + 1)
    if not is_array:
        return
    where = place.after(text[behind:end])
    if text[end : end + 1] != "]":
        raise RecordError(f"{where}: not valid JSON (a comma or `]` is expected); correct it, or fetch the file again")
    if text[end + 1 :].strip():
        raise RecordError(f"{where}: more stands behind the JSON array; give every array a file of its own")


def _behind_blanks(text: str, start: int) -> int:
    found = _BLANKS.match(text, start)
    return found.end() if found else start
