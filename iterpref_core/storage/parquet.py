"""Parquet and Arrow: the rows of a file as JSON texts.

Arrow's maps are mappings, and its dates, times and decimal numbers are texts. In this project's own files a mapping
from text to text is stored as a list of `key` and `value`, since `datasets` has no map type. Null values are left out
of a row's JSON, as in this project's JSONL files.
"""

import json
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from iterpref_core.records.errors import InputError, first_line
from iterpref_core.records.input_files import PACKED, open_input
from iterpref_core.storage.shards import layout_of

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyarrow.parquet import ParquetFile

_ROWS_AT_ONCE = 16
"""Rows in memory at a time: a row of CodeContests can have several megabytes of tests."""
_MAPPING = "files"
"""The field of script tests that is a mapping; lists of `key` and `value` under other names are lists."""
_ARROW = b"ARROW1"
"""The first bytes of an Arrow file with a footer."""
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


def read_rows(path: Path, *, nulls: bool = False) -> Iterator[tuple[RowPlace, str]]:
    """Stream the rows of a Parquet or Arrow file as JSON texts, each with its place.

    Args:
        path: the file.
        nulls: True: a row has all columns, null or not.

    Raises:
        InputError: the file is absent or not whole, a text in it is not UTF-8, two columns have one name, or Python has
            no such value.
    """
    number = 0
    with _explained(path), closing(_batches(path)) as batches:
        for group, batch in batches:
            if number == 0:
                _check_names(batch.schema, path)
            for row in _rows(batch, path, number):
                number += 1
                plain = _plain(row)
                whole = {name: plain.get(name) for name in row} if nulls else plain
                text = json.dumps(whole, ensure_ascii=False, default=str)
                yield RowPlace(path, number, group), text


def _rows(batch: "RecordBatch", path: Path, before: int) -> list[dict[str, Any]]:
    """Return the rows of a batch.

    Raises:
        InputError: a map has a key twice, or Python has no such value, such as a date of year 3 million.
    """
    try:
        return list(batch.to_pylist(maps_as_pydicts="strict"))
    except (KeyError, ValueError, OverflowError) as error:
        rows = f"rows {before + 1} to {before + batch.num_rows}"
        raise InputError(f"{path}: {rows}: a value cannot be read ({error}); leave its column out") from None


def _check_names(fields: Any, path: Path) -> None:
    """Refuse two columns, or two fields of a column, with one name: a row as a mapping would lose one of them.

    Args:
        fields: a schema, or a type with fields.
        path: the file, for the message.

    Raises:
        InputError: there are such columns.
    """
    from pyarrow import types

    inner = [fields.field(number) for number in range(len(fields))]
    names = [field.name for field in inner]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: two columns have the same name ({name}); rename one")
    for field in inner:
        kind = field.type
        while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
            kind = kind.value_type
        if types.is_struct(kind):
            _check_names(kind, path)


def _batches(path: Path) -> Generator[tuple[int, "RecordBatch"]]:
    """Stream (row group or batch of the file, from 1; some of its rows)."""
    if layout_of(path) == ".arrow":
        for group, batch in enumerate(_arrow_batches(path), 1):
            # Arrow trusts the places of texts that stand in the file: a broken one would end the process.
            batch.validate(full=True)
            for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                yield group, batch.slice(start, _ROWS_AT_ONCE)
        return
    found = 0
    with _open(path) as file:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group]):
                found += batch.num_rows
                yield group + 1, batch
        if found != file.metadata.num_rows:
            raise InputError(
                f"{path}: not a whole Parquet file ({found} rows, and its footer says {file.metadata.num_rows}); "
                "fetch it again"
            )


def _arrow_batches(path: Path) -> Iterator["RecordBatch"]:
    """Stream the batches of an Arrow file: `datasets` writes Arrow's stream, others the form with a footer."""
    import pyarrow as pa

    with open_input(path) as raw, _at_any_place(raw, path) as file:
        whole = file.read(len(_ARROW)) == _ARROW
        file.seek(0)
        if whole:
            with pa.ipc.open_file(file) as reader:
                for number in range(reader.num_record_batches):
                    yield reader.get_batch(number)
            return
        with pa.ipc.open_stream(file) as stream:
            yield from stream


def count_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file, from its footer, or of an Arrow file.

    Raises:
        InputError: the file is absent or not whole.
    """
    if layout_of(path) == ".arrow":
        with _explained(path):
            return sum(batch.num_rows for batch in _arrow_batches(path))
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
    if path.suffix.lower() not in PACKED:
        yield raw
        return
    with tempfile.TemporaryFile() as unpacked:
        shutil.copyfileobj(raw, unpacked)
        unpacked.seek(0)
        yield unpacked


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    kind = layout_of(path).removeprefix(".").capitalize()
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise InputError(f"{path}: {kind} needs pyarrow; install iterpref[training], or give JSONL") from None
    try:
        yield
    # A broken length may ask for more memory than there is.
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        raise InputError(f"{path}: not a whole {kind} file ({first_line(error)}); fetch it again") from None


def _plain(value: Any, name: str = "") -> Any:
    """Return a value for JSON: without nulls, and with the mappings of this project's own records as mappings.

    Args:
        value: the value.
        name: the field that holds the value.
    """
    if isinstance(value, dict):
        # The keys of a map may be numbers or bytes.
        texts = {key if isinstance(key, str) else str(_plain(key)): inner for key, inner in value.items()}
        return {key: _plain(inner, key) for key, inner in texts.items() if inner is not None}
    if isinstance(value, list | tuple):
        items = [_plain(item) for item in value]
        # [{"key": "a", "value": 1}, {"key": "b", "value": 2}] is the mapping {"a": 1, "b": 2}.
        if name == _MAPPING and all(isinstance(item, dict) and list(item) == ["key", "value"] for item in items):
            return {item["key"]: item["value"] for item in items}
        return items
    if isinstance(value, bytes):
        # A byte that is not UTF-8 becomes a lone surrogate: the row alone is left out then.
        return value.decode("utf-8", "surrogateescape")
    return value
