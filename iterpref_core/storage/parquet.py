"""Parquet: the rows of a file as JSON texts.

A mapping from text to text is stored as Arrow's maps are, as a list of `key` and `value`, since `datasets` has no map
type. Null values are left out of a row's JSON, as in this project's JSONL files.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from iterpref_core.errors import InputError
from iterpref_core.input_files import PACKED, open_input

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_ROWS_AT_ONCE = 16
"""Rows in memory at a time: a row of CodeContests can have several megabytes of tests."""
_BUFFER_BYTES = 1 << 20
"""Bytes of a column that are read at a time; without this bound, a row group's whole column is in memory."""


class RowPlace(NamedTuple):
    """The place of a row in a Parquet file; row and row group are counted from 1."""

    path: Path
    line: int
    row_group: int

    def __str__(self) -> str:
        """Return file, row and row group as text."""
        return f"{self.path}: row {self.line} (row group {self.row_group})"


def read_rows(path: Path) -> Iterator[tuple[RowPlace, str]]:
    """Stream the rows of a Parquet file as JSON texts, each with its place.

    Raises:
        InputError: the file is absent or not whole, or a text in it is not UTF-8.
    """
    number = 0
    with _explained(path), _open(path) as file:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group]):
                for row in batch.to_pylist():
                    number += 1
                    text = json.dumps(_plain(row), ensure_ascii=False, default=str)
                    yield RowPlace(path, number, group + 1), text


def count_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file, from its footer.

    Raises:
        InputError: the file is absent or not whole.
    """
    with _explained(path), _open(path) as file:
        return int(file.metadata.num_rows)


@contextmanager
def _open(path: Path) -> Iterator["ParquetFile"]:
    from pyarrow.parquet import ParquetFile

    with (
        open_input(path) as raw,
        _at_any_place(raw, path) as file,
        ParquetFile(file, buffer_size=_BUFFER_BYTES) as rows,
    ):
        yield rows


@contextmanager
def _at_any_place(raw: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    """Unpack a packed file into a temporary one: Parquet needs random access, and unpacking is sequential."""
    if path.suffix not in PACKED:
        yield raw
        return
    with tempfile.TemporaryFile() as unpacked:
        shutil.copyfileobj(raw, unpacked)
        unpacked.seek(0)
        yield unpacked


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]}); fetch it again") from None


def _is_entry(item: Any) -> bool:
    return isinstance(item, dict) and list(item) == ["key", "value"]


def _plain(value: Any) -> Any:
    """Return a value for JSON: without nulls, and lists of `key` and `value` as mappings."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        # [{"key": "a", "value": 1}, {"key": "b", "value": 2}] is the mapping {"a": 1, "b": 2}.
        if value and all(_is_entry(item) for item in value):
            return {item["key"]: _plain(item["value"]) for item in value}
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return value
