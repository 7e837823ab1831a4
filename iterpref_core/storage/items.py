r"""Items: the JSON objects of a data file in any layout, each with its place for messages.

JSONL, a JSON array, JSON objects of several lines, Parquet, Arrow (as `datasets` saves it) and CSV are read. Files may
be packed (`PACKED`). All are streamed. An array is read piece by piece as well:

    [{"a": 1}, {"a"          the buffer holds one whole object, and the beginning of another
    [{"a": 1}, {"a": 2}]     the rest has been read: now the second one is whole, too

While the object at the front is not whole, the buffer doubles: an object of n characters is parsed about log n times.
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
from iterpref_core.storage.parquet import RowPlace, count_rows, read_rows
from iterpref_core.storage.shards import layout_of

_CHUNK = 1 << 16
_HEAD = 4096
_BLANK = " \t\r\n"
_MAX_VALUE = 1 << 30
_BRACE = re.compile(rb"\s*\{[ \t\r]*\n")
_MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
"""Texts and brackets of JSON; a bracket in a text is none."""
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
        RecordError: a JSON array is broken, or something else stands behind it.
    """
    layout = layout_of(path)
    if layout in _TABLES:
        for number, (where, row) in enumerate(read_rows(path, nulls=lenient), 1):
            yield Item(where, number, row)
        return
    if layout == ".csv":
        yield from _read_csv(path, lenient=lenient)
        return
    with open_text(path) as file:
        is_array = _holds_array(file)
        if is_array or _holds_long_objects(file):
            with _decoded(file, lenient=lenient) as opened:
                text = _JsonText(opened, path)
                yield from _read_array(text) if is_array else _read_long_objects(text)
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


def count_items(path: Path) -> int:
    """Return how many objects a file has; lines are counted without looking into them.

    Raises:
        InputError: the file is absent or not whole.
    """
    layout = layout_of(path)
    if layout in _TABLES:
        return count_rows(path)
    if layout != ".csv":
        with open_text(path) as file:
            if not (_holds_array(file) or _holds_long_objects(file)):
                return sum(1 for line in file if not line.isspace())
    return sum(1 for _ in read_items(path, lenient=True))


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


def _holds_array(file: IO[bytes]) -> bool:
    """Return True if a file's first character opens a JSON array; the file's position stays."""
    head = cast("io.BufferedReader", file).peek(_HEAD)
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")


def _holds_long_objects(file: IO[bytes]) -> bool:
    """Return True if a file's first line is a brace alone, as `json.dump(..., indent=2)` writes objects."""
    head = cast("io.BufferedReader", file).peek(_HEAD)
    return _BRACE.match(head.removeprefix(codecs.BOM_UTF8)) is not None


class _JsonText:
    """A JSON text that is read piece by piece.

    Attributes:
        place: position of the first character that was not taken.
    """

    def __init__(self, file: io.TextIOWrapper, path: Path) -> None:
        self._file = file
        self._ahead = ""
        # Only the end of each value is looked for: numbers of any length are left as they are.
        self._decoder = json.JSONDecoder(parse_int=str, parse_float=str)
        self.place = LinePlace(path, 1)

    def first(self) -> str:
        """Pass over blanks, and return the first character behind them; an empty text at the end."""
        while True:
            self.take(len(self._ahead) - len(self._ahead.lstrip(_BLANK)))
            if self._ahead or not self._read_on():
                return self._ahead[:1]

    def take(self, count: int) -> str:
        """Return the next characters, and go on behind them."""
        taken = self._ahead[:count]
        self.place = self.place.after(taken)
        self._ahead = self._ahead[count:]
        return taken

    def value(self) -> str:
        """Return the value that begins here, and go on behind it.

        Raises:
            RecordError: the value is broken, or has no end.
        """
        while True:
            try:
                _, end = self._decoder.raw_decode(self._ahead)
            except RecursionError:
                # The value may be whole, and is then left out by who reads it, alone.
                closed = _end_of_brackets(self._ahead)
                if closed is not None:
                    return self.take(closed)
                reason = "nested too deeply"
                position = 0
            except ValueError as error:
                reason = getattr(error, "msg", str(error))
                position = getattr(error, "pos", 0)
            else:
                # A number that ends with the buffer may continue in the unread text: [1, 2 may be [1, 25].
                if end < len(self._ahead) or self._ahead[0] in "{[":
                    return self.take(end)
                reason = "the array has no end"
                position = end
            if not self._read_on():
                where = self.place.after(self._ahead[:position])
                raise RecordError(f"{where}: not valid JSON ({reason}); correct it, or fetch the file again") from None

    def _read_on(self) -> bool:
        try:
            more = self._file.read(max(_CHUNK, len(self._ahead)))
        except UnicodeDecodeError as error:
            raise InputError(f"{self.place.path}: not UTF-8 ({error.reason}); save the file as UTF-8") from None
        self._ahead += more
        return bool(more)


def _read_long_objects(text: _JsonText) -> Iterator[Item]:
    number = 0
    while text.first():
        number += 1
        place = text.place
        yield Item(place, number, text.value())


def _read_array(text: _JsonText) -> Iterator[Item]:
    text.first()
    text.take(len("["))
    number = 0
    mark = text.first()
    while mark != "]":
        if not text.first():
            raise RecordError(f"{text.place}: the JSON array has no end; fetch the file again")
        number += 1
        place = text.place
        yield Item(place, number, text.value())
        mark = text.first()
        if mark == ",":
            text.take(len(","))
        elif mark and mark != "]":
            raise RecordError(
                f"{text.place}: not valid JSON (a comma or `]` is expected); correct it, or fetch the file again"
            )
    text.take(len("]"))
    if text.first():
        raise RecordError(f"{text.place}: more stands behind the JSON array; give every array a file of its own")


def _end_of_brackets(text: str) -> int | None:
    """Return the place behind the bracket that closes the first one of a JSON text; None if there is none."""
    depth = 0
    for mark in _MARKS.finditer(text):
        if mark[0] in "[{":
            depth += 1
        elif mark[0] in "]}":
            depth -= 1
            if depth == 0:
                return mark.end()
    return None
