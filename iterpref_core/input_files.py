"""Input files: files that users give are read by one set of functions, with one message for each kind of fault."""

import bz2
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import yaml

from iterpref_core.errors import InputError, RecordError

ABSENT = "check the path or run the stage that writes it"
PACKED = (".gz", ".bz2", ".xz", ".zst")
"""File name endings of packed files, which are unpacked while they are read."""
_KINDS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz"}


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
        InputError: the file is absent, a folder, or not a whole packed file.
    """
    try:
        with path.open("rb") as packed, _unpack(packed, path) as file:
            yield file
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file; {absent}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; a file is needed") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"{path}: not a whole {_KINDS.get(_packing(path), 'packed')} file ({error}); fetch it again"
        ) from None
    except lzma.LZMAError as error:
        raise InputError(f"{path}: not a whole xz file ({error}); fetch it again") from None
    except OSError as error:
        # `bz2` has no error of its own, and gives its errors no number.
        if _packing(path) != ".bz2" or error.errno is not None:
            raise
        raise InputError(f"{path}: not a whole bzip2 file ({error}); fetch it again") from None


def _unpack(packed: IO[bytes], path: Path) -> IO[bytes]:
    packing = _packing(path)
    if packing == ".gz":
        return cast("IO[bytes]", gzip.open(packed))
    if packing == ".bz2":
        return cast("IO[bytes]", bz2.open(packed))
    if packing == ".xz":
        return cast("IO[bytes]", lzma.open(packed))
    if packing == ".zst":
        return cast("IO[bytes]", io.BufferedReader(_ZstandardFile(packed, path)))
    return packed


def _packing(path: Path) -> str:
    return path.suffix.lower()


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
        raise InputError(f"{where}: not UTF-8 ({error.reason}); save the file as UTF-8") from None


def read_lines(path: Path, absent: str = ABSENT) -> Iterator[tuple[int, str]]:
    """Stream (line number from 1, line with its end) of a file of UTF-8.

    Raises:
        InputError: the file cannot be read.
    """
    with open_input(path, absent) as file:
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


def parse_json(text: str, where: LinePlace) -> Any:
    """Return the value of a JSON text that begins at a position of a file.

    Raises:
        RecordError: the text is not valid JSON, or a key stands twice in one object; the message says line and column
            of the file.
    """
    try:
        return json.loads(text, object_pairs_hook=unique_keys)
    except RepeatedKeyError as error:
        raise RecordError(f"{where}: {error}") from None
    except json.JSONDecodeError as error:
        raise RecordError(f"{where.after(text[: error.pos])}: not valid JSON ({error.msg}); correct it") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RecordError(f"{where}: not valid JSON ({reason}); correct it") from None


# Not libyaml's loader: a deeply nested file makes it crash with a segmentation fault.
class _OnceLoader(yaml.SafeLoader):
    """A YAML loader that refuses a repeated key, of which PyYAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first_lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in first_lines:
                line = first_lines[key.value]
                problem = f"{key.value!r} stands on line {line} too; leave one of them"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            first_lines[str(key.value)] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, absent: str = ABSENT) -> Any:
    """Return the content of a YAML file, in which no key stands twice in one mapping.

    Raises:
        InputError: the file cannot be read; the message says line and column.
    """
    text = read_text(path, absent)
    try:
        return yaml.load(text, Loader=_OnceLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = LinePlace(path, mark.line + 1, mark.column + 1) if mark else path
        raise InputError(f"{where}: not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # A ValueError comes, for example, from 2001-99-99, which PyYAML takes for a date.
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise InputError(f"{path}: not valid YAML: {reason}") from None
