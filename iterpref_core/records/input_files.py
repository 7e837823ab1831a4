"""Read the files that users give, with one message for each kind of fault."""

import gzip
import io
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from .errors import InputError, RecordError

ABSENT = "check the path or run the stage that writes it"
# File name endings of packed files, which are unpacked while they are read.
PACKED = (".gz", ".zst")
_ENCODED = "save the file as UTF-8; the name of a packed file ends in .gz or .zst, and a Parquet file's in .parquet"
# The first bytes of a pointer to a file in Git LFS.
_POINTER = b"version https://git-lfs.github.com/"
_MOST_DIGITS = 4300
# Values of one YAML file, with aliases written out.
_MOST_VALUES = 1_000_000
_MOST_KEYS = 10_000


class LinePlace(NamedTuple):
    """A position in a file: line and column from 1."""

    path: Path
    line: int
    column: int = 1

    def __str__(self) -> str:
        """Return `FILE:LINE`, or `FILE:LINE:COLUMN` if the column is not the first."""
        if self.column > 1:
            return f"{self.path}:{self.line}:{self.column}"
        return f"{self.path}:{self.line}"

    def after(self, text: str) -> "LinePlace":
        """Return the position after a text that begins here."""
        lines = text.count("\n")
        column = len(text) - text.rfind("\n") if lines else self.column + len(text)
        return LinePlace(self.path, self.line + lines, column)


@contextmanager
def open_input(path: Path, absent: str = ABSENT) -> Iterator[IO[bytes]]:
    """Open a file for reading, and unpack it if its name ends in `PACKED`.

    Args:
        path: the file.
        absent: advice for the message about an absent file.

    Raises:
        InputError: the file is absent, a folder, a pointer of Git LFS, or not a whole packed file.
    """
    try:
        with path.open("rb") as packed:
            # A clone without Git LFS has pointers instead of the files.
            if packed.peek(len(_POINTER)).startswith(_POINTER):
                raise InputError(f"{path}: is a pointer of Git LFS to the file; fetch it with `git lfs pull`")
            with _unpack(packed, path) as file:
                yield file
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file; {absent}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; a file is needed") from None
    except (OSError, EOFError, zlib.error) as error:
        # Errors of the operating system have a number, errors of unpacking have none.
        if getattr(error, "errno", None):
            raise
        raise InputError(f"{path}: not a whole packed file ({error}); fetch it again") from None


def _unpack(packed: IO[bytes], path: Path) -> IO[bytes]:
    packing = path.suffix.lower()
    if packing == ".gz":
        return cast("IO[bytes]", gzip.open(packed))
    if packing == ".zst":
        import pyarrow as pa

        return cast("IO[bytes]", io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")))
    return packed


def decode_text(raw: bytes, path: Path, line: int = 1) -> str:
    """Return UTF-8 as text; at line 1 without a byte order mark (BOM), which some editors write.

    Args:
        raw: the content of a file or of a line.
        path: the file, for the message.
        line: the number of the first line.

    Raises:
        InputError: it is not UTF-8; the message has line and column.
    """
    encoding = "utf-8-sig" if line == 1 else "utf-8"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        # Everything before the fault can be read, which gives its line and column.
        readable = error.object[: error.start].decode("utf-8")
        where = LinePlace(path, line).after(readable)
        raise InputError(f"{where}: not UTF-8 ({error.reason}); {_ENCODED}") from None


def read_text(path: Path, absent: str = ABSENT) -> str:
    """Return the text of a file of UTF-8.

    Raises:
        InputError: the file cannot be read.
    """
    with open_input(path, absent) as file:
        return decode_text(file.read(), path)


class RepeatedKeyError(ValueError):
    """A key that occurs twice in one JSON object; a parser would silently keep the last value."""


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the keys and values of a JSON object as a dictionary; for `object_pairs_hook` of `json.loads`.

    Raises:
        RepeatedKeyError: a key occurs twice.
    """
    # The dictionary is shorter than the list of pairs if a key occurs twice.
    found = dict(pairs)
    if len(found) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise RepeatedKeyError(f"the key {key!r} occurs twice in one object; leave one of them")
    return found


def is_null(value: Any) -> bool:
    """Return True for null, also as NaN, which pandas writes for nulls of every column."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def parse_json(text: str) -> Any:
    """Return the value of a JSON text, with integers of any length.

    Raises:
        RepeatedKeyError: a key occurs twice in one object.
        ValueError: the text is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_int=_integer, object_pairs_hook=unique_keys)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _integer(digits: str) -> int:
    # Python refuses more digits, since reading them takes quadratic time; a decimal number has no limit.
    return int(Decimal(digits)) if len(digits) > _MOST_DIGITS else int(digits)


def parse_json_at(text: str, where: LinePlace) -> Any:
    """Return the value of a JSON text that begins at a position of a file.

    Raises:
        RecordError: the text is not valid JSON, or a key occurs twice in one object.
    """
    try:
        return parse_json(text)
    except ValueError as error:
        raise RecordError(f"{where}: not valid JSON ({error}); correct it") from None


def parse_yaml(text: str, path: Path = Path("YAML")) -> Any:
    """Return the value of a YAML 1.2 text as DVC reads it, but with keys and days as texts.

    YAML 1.1 differs: there `010` is 8, `yes` is true and `1e-5` a text.

    Args:
        text: YAML.
        path: the file of the text, for messages.

    Raises:
        InputError: the text is not YAML, a key occurs twice in one mapping, a value has no form in JSON, a number has
            too many digits, or the text is nested too deeply; the message has line and column.

    >>> parse_yaml("{since: 2024-08-01, rate: 1e-5, seed: 010, bias: {50256: -100}}")
    {'since': '2024-08-01', 'rate': 1e-05, 'seed': 10, 'bias': {'50256': -100}}
    """
    # Pure: libyaml crashes with a segmentation fault on a deeply nested text.
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.Constructor = _Constructor
        return _as_json(yaml.load(text), count(1))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = LinePlace(path, mark.line + 1, mark.column + 1) if mark else path
        raise InputError(f"{where}: not valid YAML: {error.problem or error.context}") from None
    except (YAMLError, ValueError, RecursionError) as error:
        # A number with more digits than Python reads raises ValueError.
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise InputError(f"{path}: not valid YAML: {reason}") from None


class _Constructor(SafeConstructor):
    """YAML's constructor, with a limit of the keys that merges (`<<: [*a, *a]`) give one mapping."""

    def flatten_mapping(self, node: Any) -> Any:
        super().flatten_mapping(node)
        if len(node.value) > _MOST_KEYS:
            raise ValueError(f"a mapping has more than {_MOST_KEYS:,} keys; merge fewer mappings (<<)")


def _as_json(value: Any, number: Iterator[int]) -> Any:
    """Return a value of YAML in the form of JSON.

    Args:
        value: may contain one list several times, by aliases. Ten lists of ten aliases each, one in the other, are ten
            billion values.
        number: counts the values.

    Raises:
        ValueError: there are too many values, or a value has no form in JSON.
    """
    # Aliases can make a small file a very large value.
    if next(number) > _MOST_VALUES:
        raise ValueError(f"has more than {_MOST_VALUES:,} values; write values out instead of using aliases (*name)")
    if isinstance(value, dict):
        return {str(key): _as_json(item, number) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item, number) for item in value]
    # YAML reads 2024-08-01 as a date; JSON has a text.
    if isinstance(value, date):
        return value.isoformat()
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} has no form in JSON")
    return value


def read_yaml(path: Path, absent: str = ABSENT) -> Any:
    """Return the content of a YAML file, as `parse_yaml` does.

    Raises:
        InputError: the file cannot be read; the message has line and column.
    """
    return parse_yaml(read_text(path, absent), path)
