"""Input files: files that users give are read by one set of functions, with one message for each kind of fault."""

import codecs
import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, ClassVar, NamedTuple, NoReturn, cast

import yaml

from iterpref_core.records.errors import InputError, RecordError

ABSENT = "check the path or run the stage that writes it"
PACKED = (".gz", ".zst")
"""File name endings of packed files, which are unpacked while they are read."""
_ENCODED = "save the file as UTF-8"
_NO_TEXT = (
    # The mark of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF16_LE, "its text is UTF-16 or UTF-32", _ENCODED),
    (codecs.BOM_UTF16_BE, "its text is UTF-16", _ENCODED),
    (b"\x1f\x8b", "is a gzip file", "let its name end in .gz"),
    (b"BZh91AY&SY", "is a bzip2 file", "unpack it"),
    (b"\xfd7zXZ\x00", "is an xz file", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "is a Zstandard file", "let its name end in .zst"),
    (b"PAR1", "is a Parquet file", "let its name end in .parquet"),
    (b"ARROW1", "is an Arrow file", "write it as Parquet"),
    (b"PK\x03\x04", "is a zip archive", "unpack it"),
)
"""First bytes of files that hold no text of UTF-8, each with what they say, and the advice."""
_POINTER = b"version https://git-lfs.github.com/"
"""The first bytes of a file that stands for one in Git LFS, whatever its name."""
_MOST_DIGITS = 4300
_HEAD = 64
_FIRST_CHARACTERS = 4
"""Bytes among which UTF-16 and UTF-32 without a mark have a NUL, if the text begins as JSON, CSV or YAML do."""


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
        """Return the position behind a text that begins here."""
        lines = text.count("\n")
        column = len(text) - text.rfind("\n") if lines else self.column + len(text)
        return LinePlace(self.path, self.line + lines, column)


@contextmanager
def open_input(path: Path, absent: str = ABSENT) -> Iterator[IO[bytes]]:
    """Open a file for reading; a file whose name has one of the endings `PACKED` is unpacked.

    Args:
        path: the file.
        absent: advice for the message about an absent file.

    Raises:
        InputError: the file is absent, a folder, a pointer of Git LFS, or not a whole packed file.
    """
    try:
        with path.open("rb") as packed:
            if packed.peek(len(_POINTER)).startswith(_POINTER):
                raise InputError(f"{path}: is a pointer of Git LFS to the file; fetch it with `git lfs pull`")
            with _unpack(packed, path) as file:
                yield file
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file; {absent}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; a file is needed") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file ({error}); fetch it again") from None


@contextmanager
def open_text(path: Path, absent: str = ABSENT) -> Iterator[IO[bytes]]:
    """Open a file of text for reading, as `open_input` does, and check by its first bytes that it may be UTF-8.

    Raises:
        InputError: the file cannot be read, is of another encoding, or is no text at all; the message says which.
    """
    with open_input(path, absent) as file:
        head = cast("io.BufferedReader", file).peek(_HEAD)
        for beginning, found, advice in _NO_TEXT:
            if head.startswith(beginning):
                raise InputError(f"{path}: {found}; {advice}")
        if b"\0" in head[:_FIRST_CHARACTERS]:
            raise InputError(f"{path}: begins with NUL bytes, as UTF-16 does and UTF-8 does not; {_ENCODED}")
        yield file


def _unpack(packed: IO[bytes], path: Path) -> IO[bytes]:
    packing = path.suffix.lower()
    if packing == ".gz":
        return cast("IO[bytes]", gzip.open(packed))
    if packing == ".zst":
        return cast("IO[bytes]", io.BufferedReader(_ZstandardFile(packed, path)))
    return packed


class _ZstandardFile(io.RawIOBase):
    """A Zstandard file, unpacked by Arrow while it is read."""

    def __init__(self, packed: IO[bytes], path: Path) -> None:
        import pyarrow as pa

        self._path = path
        self._error = pa.ArrowException
        self._stream = pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        try:
            read = self._stream.read(len(target))
        except (OSError, self._error) as error:
            raise InputError(f"{self._path}: not a whole Zstandard file ({error}); fetch it again") from None
        target[: len(read)] = read
        return len(read)


def decode_line(raw: bytes, path: Path, line: int) -> str:
    """Return a line of UTF-8 as text; line 1 loses a byte order mark (BOM), which some editors write.

    Raises:
        InputError: the line is not UTF-8.
    """
    encoding = "utf-8-sig" if line == 1 else "utf-8"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        readable = error.object[: error.start].decode("utf-8")
        where = LinePlace(path, line).after(readable)
        raise InputError(f"{where}: not UTF-8 ({error.reason}); {_ENCODED}") from None


def read_lines(path: Path, absent: str = ABSENT) -> Iterator[tuple[int, str]]:
    """Stream (line number from 1, line with its end) of a file of UTF-8.

    Raises:
        InputError: the file cannot be read.
    """
    with open_text(path, absent) as file:
        for number, raw in enumerate(file, 1):
            yield number, decode_line(raw, path, number)


def read_text(path: Path, absent: str = ABSENT) -> str:
    """Return the text of a file of UTF-8.

    Raises:
        InputError: the file cannot be read.
    """
    return "".join(line for _, line in read_lines(path, absent))


class RepeatedKeyError(ValueError):
    """A key that stands twice in one JSON object, of which a parser would silently keep the last value."""


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the keys and values of a JSON object as a dictionary; for `object_pairs_hook` of `json.loads`.

    Raises:
        RepeatedKeyError: a key stands twice.
    """
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise RepeatedKeyError(f"the key {key!r} stands twice in one object; leave one of them")
        seen.add(key)
    raise AssertionError("a dictionary is shorter than its pairs only if a key repeats")


def is_null(value: Any) -> bool:
    """Return True for null, also as NaN, which pandas writes for nulls of every column."""
    return value is None or (isinstance(value, float) and math.isnan(value))


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
    # Python reads no more digits from a text, as that takes quadratic time; a decimal number has no limit.
    return int(Decimal(digits)) if len(digits) > _MOST_DIGITS else int(digits)


def parse_json_at(text: str, where: LinePlace) -> Any:
    """Return the value of a JSON text that begins at a position of a file.

    Raises:
        RecordError: the text is not valid JSON, or a key stands twice in one object; the message says line and column
            of the file.
    """
    try:
        return parse_json(text)
    except RepeatedKeyError as error:
        raise RecordError(f"{where}: {error}") from None
    except json.JSONDecodeError as error:
        raise RecordError(f"{where.after(text[: error.pos])}: not valid JSON ({error.msg}); correct it") from None
    except ValueError as error:
        raise RecordError(f"{where}: not valid JSON ({error}); correct it") from None


_YAML_TAG = "tag:yaml.org,2002:"
_DECIMAL = r"[-+]?[0-9][0-9_]*(\.[0-9_]*([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)"
_FRACTION = r"[-+]?\.[0-9][0-9_]*([eE][-+]?[0-9]+)?"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)[0-9]{1,2}:.*"
_PLAIN_VALUES = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)", list("-+0123456789")),
    "float": (f"{_DECIMAL}|{_FRACTION}|[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)", list("-+.0123456789")),
    "merge": ("<<", ["<"]),
}
"""The kinds of value that a text without quotes may be, each with a pattern and first characters; all else is text."""
_BASES = {"0b": 2, "0o": 8, "0x": 16}


# Not libyaml's loader: a deeply nested file makes it crash with a segmentation fault.
class _Loader(yaml.SafeLoader):
    """A loader of YAML 1.2, with which DVC reads, too; a date is a text.

    PyYAML's own is of YAML 1.1: there `010` is 8, `1:30` is 90, `yes` is true and `1e-5` is a text. So a parameter had
    one value here and another one in dvc.lock. A repeated key is refused, of which PyYAML would silently keep the last.
    Keys are texts, as in JSON.
    """

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 - PyYAML's, an attribute of the class
    yaml_constructors: ClassVar[dict[str | None, Any]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first_lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in first_lines:
                line = first_lines[key.value]
                problem = f"{key.value!r} stands on line {line} too; leave one of them"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            first_lines[key.value] = key.start_mark.line + 1
            if key.tag != f"{_YAML_TAG}merge":
                key.tag = f"{_YAML_TAG}str"
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node)).replace("_", "")
        base = _BASES.get(text.lstrip("-+")[:2], 10)
        return int(text, base)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        text = str(self.construct_scalar(node)).replace("_", "").lower()
        # .inf and .nan are Python's inf and nan.
        return float(re.sub(r"\.(?=inf|nan)", "", text))


class _FileLoader(_Loader):
    """A loader that refuses a date without quotes, of which DVC would say only that its type is not supported."""

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> NoReturn:
        problem = f"{node.value} needs quotes, because to DVC it is a date and no text"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


for _name, (_pattern, _first) in _PLAIN_VALUES.items():
    _Loader.add_implicit_resolver(f"{_YAML_TAG}{_name}", re.compile(f"({_pattern})$"), _first)
for _name in ("null", "bool", "int", "float", "str", "seq", "map"):
    _Loader.yaml_constructors[f"{_YAML_TAG}{_name}"] = getattr(_Loader, f"construct_yaml_{_name}")
_Loader.yaml_constructors[None] = _Loader.construct_undefined
_FileLoader.add_implicit_resolver(f"{_YAML_TAG}timestamp", re.compile(f"({_DATE})$"), list("0123456789"))
_FileLoader.yaml_constructors = _Loader.yaml_constructors | {
    f"{_YAML_TAG}timestamp": _FileLoader.construct_yaml_timestamp
}


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML text, made of what JSON has: `2024-08-01`, `yes` and `1:30` are texts.

    Raises:
        yaml.YAMLError: the text is not YAML, a key stands twice in one mapping, or a tag asks for something else.
        ValueError: a number has too many digits.
        RecursionError: the text is nested too deeply.

    >>> parse_yaml("{since: 2024-08-01, rate: 1e-5, seed: 010, bias: {50256: -100}}")
    {'since': '2024-08-01', 'rate': 1e-05, 'seed': 10, 'bias': {'50256': -100}}
    """
    return yaml.load(text, Loader=_Loader)


def read_yaml(path: Path, absent: str = ABSENT) -> Any:
    """Return the content of a YAML file, as `parse_yaml` does; a date in it needs quotes.

    Raises:
        InputError: the file cannot be read; the message says line and column.
    """
    text = read_text(path, absent)
    try:
        return yaml.load(text, Loader=_FileLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = LinePlace(path, mark.line + 1, mark.column + 1) if mark else path
        raise InputError(f"{where}: not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # A ValueError comes from a number of more digits than Python reads.
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise InputError(f"{path}: not valid YAML: {reason}") from None
