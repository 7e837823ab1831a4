"""Parquet: the rows of a file as JSON texts.

A mapping from text to text stands there as Arrow lays out its maps, a list of `key` and `value`, since `datasets` knows
no map. What is null is left out of a row's JSON, as it is of our JSONL files.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from iterpref_core.errors import InputError


def read_rows(path: Path) -> Iterator[str]:
    """Stream the rows of a Parquet file as JSON texts.

    Raises:
        InputError: the file is not whole, or a text in it is not UTF-8.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with path.open("rb") as raw, ParquetFile(raw) as file:
            for batch in file.iter_batches(1000):
                for row in batch.to_pylist():
                    yield json.dumps(_plain(row), ensure_ascii=False, default=str)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]}); fetch it again") from None


def _plain(value: Any) -> Any:
    """A value as JSON has it: without nulls, and lists of `key` and `value` as mappings."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        if value and all(isinstance(item, dict) and list(item) == ["key", "value"] for item in value):
            return {item["key"]: _plain(item["value"]) for item in value}
        return [_plain(item) for item in value]
    return value
