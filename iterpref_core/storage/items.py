r"""Read the JSON objects of a data file in any layout, each with its place for messages.

JSONL, a JSON array, JSON objects of several lines, and tables (Parquet, CSV, TSV, Arrow) are read. Files of JSON may be
packed (`PACKED`). All are streamed but JSON of several lines, whose text is in memory as a whole.
"""

import codecs
import csv
import io
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from iterpref_core.records import InputError, LinePlace, RecordError, SourceRow, decode_text, first_line, open_input

from .shards import layout_of

_ROWS_AT_ONCE = 16
"""Rows in memory at a time: a row of CodeContests can have several megabytes of tests."""
_BUFFER_BYTES = 1 << 20
"""Bytes of a column that are read at a time; without this bound, a row group's whole column is in memory."""


def read_rows(path: Path, *, nulls: bool = False) -> Iterator[str]:
    """Stream the rows of a Parquet, Arrow or CSV file as JSON texts.

    Arrow's maps are mappings, and its dates, times and decimal numbers are texts. Null values are left out, as in this
    project's JSONL files.

    Args:
        path: the file.
        nulls: True: a row has all columns, null or not.

    Raises:
        InputError: the file is absent or not whole, or Python lacks a value in it.
    """
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise InputError(f"{path}: tables need pyarrow; install 'iterpref[data]', or give JSONL") from None
    try:
        with open_input(path) as file:
            for row in TABLES[layout_of(path)](file, path):
                plain = _plain(row)
                whole = {name: plain.get(name) for name in row} if nulls else plain
                yield json.dumps(whole, ensure_ascii=False, default=str)
    # A broken length may ask for more memory than there is. Python has no date in year 3 million.
    except (pa.ArrowException, csv.Error, OSError, ValueError, KeyError, OverflowError, MemoryError) as error:
        raise InputError(
            f"{path}: not a whole file, or a value that Python does not have ({first_line(error)}); fetch it again, or "
            "leave the column out"
        ) from None


def _parquet_rows(file: IO[bytes], path: Path) -> Iterator[dict[str, Any]]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(file, buffer_size=_BUFFER_BYTES) as rows:
        schema = rows.schema_arrow
        _check_columns(schema.names, path)
        described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        # All groups at once would be in memory together.
        for group in range(rows.num_row_groups):
            for batch in rows.iter_batches(_ROWS_AT_ONCE, row_groups=[group]):
                for row in batch.to_pylist(maps_as_pydicts="strict"):
                    yield _named(row, described)


def _named(value: Any, feature: Any) -> Any:
    """Return a value with the names that its set states for numbers, at any depth: `accepted` for 0, null for -1.

    Args:
        value: a row, or a value in it.
        feature: the feature of `datasets` that describes the value, as JSON.
    """
    if isinstance(feature, list):  # [{"_type": "ClassLabel", …}]: so older versions describe a list
        feature = feature[0]
    if not isinstance(feature, dict):
        return value
    if isinstance(value, list):
        return [_named(item, feature.get("feature", feature)) for item in value]
    if isinstance(value, dict):
        # {"language": …}, or {"feature": {"language": …}, "_type": "Sequence"} for an object of lists.
        inside = feature["feature"] if "_type" in feature and "feature" in feature else feature
        return {name: _named(inner, inside.get(name)) for name, inner in value.items()}
    if feature.get("_type") == "ClassLabel" and isinstance(value, int):
        names = feature["names"]
        return names[value] if 0 <= value < len(names) else None
    return value


def _csv_rows(file: IO[bytes], path: Path) -> Iterator[dict[str, Any]]:
    # Every cell stays a text: "007" is not the number 7. A cell may hold a program of any length.
    csv.field_size_limit(sys.maxsize)
    lines = (decode_text(raw, path, number) for number, raw in enumerate(file, 1))
    header = next(lines, "")
    # Spreadsheets separate cells by semicolons where the comma is the decimal sign. "a, b";c has two cells, not three.
    delimiter = max(",;\t", key=lambda sign: len(next(csv.reader([header], delimiter=sign), ())))
    rows = csv.DictReader(chain([header], lines), delimiter=delimiter, strict=True)
    _check_columns(rows.fieldnames or (), path)
    for row in rows:
        # Without its last cells, a row would lose its split or license, and a file that was cut its last row.
        if None in row or None in row.values():
            number = "more" if None in row else "fewer"
            raise InputError(f"{path}: line {rows.line_num} has {number} cells than there are columns; correct it")
        yield row


def _arrow_rows(_: IO[bytes], path: Path) -> Iterator[dict[str, Any]]:
    from datasets import load_dataset

    with tempfile.TemporaryDirectory() as cache:
        rows = load_dataset("arrow", data_files=str(path), split="train", streaming=True, cache_dir=cache)
        described = rows.features.to_dict() if rows.features else {}
        for row in rows:
            yield _named(row, described)


def _check_columns(names: Sequence[str], path: Path) -> None:
    """Check that all columns have different names: a row would keep only the last of two.

    Raises:
        InputError: two have.
    """
    for name, number in Counter(names).items():
        if number > 1:
            raise InputError(f"{path}: {number} columns are called {name!r}; leave one of them")


TABLES = {".parquet": _parquet_rows, ".arrow": _arrow_rows, ".csv": _csv_rows, ".tsv": _csv_rows}
"""The endings of tables → their readers."""


def _plain(value: Any) -> Any:
    """Return a value for JSON, without nulls."""
    if isinstance(value, dict):
        # The keys of a map may be numbers.
        return {str(key): _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # A byte that is not UTF-8 becomes a lone surrogate: the row alone is left out then.
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


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
