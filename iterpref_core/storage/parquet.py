"""Parquet: the rows of a file as JSON texts.

Arrow's maps are mappings, and its dates, times and decimal numbers are texts. Null values are left out of a row's JSON,
as in this project's JSONL files.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from iterpref_core.records.errors import InputError, first_line
from iterpref_core.records.input_files import open_input

if TYPE_CHECKING:
    from pyarrow import RecordBatch

_ROWS_AT_ONCE = 16
"""Rows in memory at a time: a row of CodeContests can have several megabytes of tests."""
_BUFFER_BYTES = 1 << 20
"""Bytes of a column that are read at a time; without this bound, a row group's whole column is in memory."""


def read_rows(path: Path, *, nulls: bool = False) -> Iterator[str]:
    """Stream the rows of a Parquet file as JSON texts.

    Args:
        path: the file.
        nulls: True: a row has all columns, null or not.

    Raises:
        InputError: the file is absent or not whole, or Python has no such value as stands in it.
    """
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise InputError(f"{path}: Parquet needs pyarrow; install 'iterpref[data]', or give JSONL") from None
    try:
        with open_input(path) as file:
            for batch in _batches(file, path):
                for row in batch.to_pylist(maps_as_pydicts="strict"):
                    plain = _plain(row)
                    whole = {name: plain.get(name) for name in row} if nulls else plain
                    yield json.dumps(whole, ensure_ascii=False, default=str)
    # A broken length may ask for more memory than there is. A date of year 3 million is none in Python.
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError) as error:
        raise InputError(
            f"{path}: not a whole file, or a value that Python does not have ({first_line(error)}); fetch it again, or "
            "leave the column out"
        ) from None


def _batches(file: IO[bytes], path: Path) -> Iterator["RecordBatch"]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(file, buffer_size=_BUFFER_BYTES) as rows:
        for name, number in Counter(rows.schema_arrow.names).items():
            if number > 1:
                raise InputError(f"{path}: {number} columns are called {name!r}; leave one of them")
        # All groups at once would be in memory together.
        for group in range(rows.num_row_groups):
            yield from rows.iter_batches(_ROWS_AT_ONCE, row_groups=[group])


def _plain(value: Any) -> Any:
    """Return a value for JSON, without nulls."""
    if isinstance(value, dict):
        # The keys of a map may be numbers.
        return {str(key): _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # A byte that is not UTF-8 becomes a lone surrogate: the row alone is left out then.
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
