"""Rows: the JSON objects of files, and the values in them that no file of this project can hold."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from iterpref_core.records import Record
from iterpref_core.records.errors import InputError
from iterpref_core.records.input_files import RepeatedKeyError, parse_json
from iterpref_core.storage.items import Item, count_items, read_items
from iterpref_core.storage.shards import layout_of

_LAYOUTS = (".jsonl", ".ndjson", ".json", ".txt", "", ".csv", ".parquet", ".arrow")
"""Endings of the files that are read. Those without one, and `.txt`, hold JSON."""
NOT_UTF8 = "a text has half of a surrogate pair, or bytes that are not UTF-8"
NOT_WRITABLE = f"{NOT_UTF8}, or a value is nested too deeply"


def each_row(files: Sequence[Path]) -> Iterator[Item]:
    """Stream the rows of all files, numbered across files: after a file of 100 lines comes number 101.

    A line that is not UTF-8 is one of them, since it can be left out by itself.

    Raises:
        InputError: a file is absent or not whole, or its name ends as no layout that is read. Bad rows are left out one
            by one, and so an archive would lose those at the beginnings of its files.
    """
    before = 0
    for path in files:
        layout = layout_of(path)
        if layout not in _LAYOUTS:
            raise InputError(
                f"{path}: files that end in {layout} are not read; give JSONL, JSON, CSV, Parquet or Arrow, with that "
                "ending"
            )
        number = 0
        for item in read_items(path, lenient=True):
            number = item.number
            yield item._replace(number=before + number)
        before += number


def count_rows(files: Sequence[Path], limit: int | None) -> int | None:
    """Return the number of rows that will be read, for the progress; None if nothing but reading them tells."""
    # A pipe, such as that of `ingest <(zcat rows.gz)`, can be read once.
    if any(path.exists() and not path.is_file() for path in files):
        return None
    total = sum(map(count_items, files))
    return total if limit is None else min(total, limit)


def read_object(item: Item) -> dict[str, Any]:
    """Return the JSON object in a row.

    Raises:
        ValueError: the row holds something else.
    """
    try:
        row = parse_json(item.text)
    except RepeatedKeyError:
        raise
    except ValueError as error:
        raise ValueError(f"not valid JSON ({error})") from None
    if not isinstance(row, dict):
        raise ValueError(f"an object is expected, not {type(row).__name__}")
    return row


def is_utf8(text: str) -> bool:
    """Return False if a text has half of a surrogate pair, or stands for bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_writable(record: Record) -> None:
    """Check that a record can be written as UTF-8.

    Raises:
        ValueError: no file can hold the record.
    """
    try:
        record.to_json().encode()
    except (ValueError, RecursionError):
        raise ValueError(NOT_WRITABLE) from None
