"""Row text: the rows of files as JSON, and the values in them that no file of this project can hold."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from iterpref_core.errors import InputError
from iterpref_core.input_files import unique_keys
from iterpref_core.records import Record
from iterpref_core.storage.items import Item, count_items, read_items
from iterpref_core.storage.shards import layout_of

_MOST_DIGITS = 4300
"""The digits of an integer that Python reads from a text, and writes; others take quadratic time."""
_LAYOUTS = (".jsonl", ".ndjson", ".json", ".txt", "", ".csv", ".parquet", ".arrow")
"""Endings of the files that are read. Those without one, and `.txt`, hold JSON."""
NOT_UTF8 = "a text has half of a surrogate pair, or bytes that are not UTF-8"
NOT_WRITABLE = f"{NOT_UTF8}, or a value is nested too deeply"


def each_row(files: Sequence[Path]) -> Iterator[Item]:
    """Stream the rows of files; a line that is not UTF-8 is one of them, since it can be left out by itself.

    Raises:
        InputError: a file is absent or not whole, or its name ends as no layout that is read. Bad rows are left out one
            by one, and so an archive would lose those at the beginnings of its files.
    """
    for path in files:
        layout = layout_of(path)
        if layout not in _LAYOUTS:
            raise InputError(
                f"{path}: files that end in {layout} are not read; give JSONL, JSON, CSV, Parquet or Arrow, with that "
                "ending"
            )
        yield from read_items(path, lenient=True)


def count_rows_of(files: Sequence[Path], limit: int | None) -> int | None:
    """Return the number of rows that will be read, for the progress; None if nothing but reading them tells."""
    # A pipe, such as that of `ingest <(zcat rows.gz)`, can be read once.
    if any(path.exists() and not path.is_file() for path in files):
        return None
    total = sum(map(count_items, files))
    return total if limit is None else min(total, limit)


def parse_json(text: str) -> Any:
    """Return the value of a JSON text, with integers of any length.

    Raises:
        RepeatedKeyError: a key stands twice in one object.
        ValueError: the text is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_int=_integer, object_pairs_hook=unique_keys)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _integer(digits: str) -> int:
    # A decimal number has no limit of digits.
    return int(Decimal(digits)) if len(digits) > _MOST_DIGITS else int(digits)


def is_utf8(text: str) -> bool:
    """Return False if a text has half of a surrogate pair, or stands for bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def reason_not_to_write(record: Record) -> str:
    """Return the reason why a record cannot be written as UTF-8, or an empty text."""
    try:
        record.to_json().encode()
    except (ValueError, RecursionError):
        return NOT_WRITABLE
    return ""
