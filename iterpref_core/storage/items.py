r"""Items: the JSON objects of a data file in any layout, each with its place for messages.

Four layouts are read: JSONL, a JSON array, Parquet, and a folder of such shards. Files may be packed (`.gz`, `.zst`).
All are streamed. An array is read piece by piece as well:

    [{"a": 1}, {"a"          the buffer holds one whole object, and the beginning of another
    [{"a": 1}, {"a": 2}]     the rest has been read: now the second one is whole, too

While the object at the front is not whole, the buffer doubles: an object of n characters is parsed about log n times.
"""

import codecs
import io
import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from iterpref_core.errors import InputError, RecordError
from iterpref_core.input_files import LinePlace, decode_line, open_input
from iterpref_core.storage.parquet import RowPlace, count_rows, read_rows

_CHUNK = 1 << 16
_HEAD = 4096
_BLANK = " \t\r\n"
_SHARDS = (
    (".parquet",),
    (".jsonl", ".ndjson"),
    (".json",),
)
"""The layouts that a folder is searched for, in this order. Only the first one found is read: files of the others are
copies of its data or describe them (`dataset_infos.json`)."""
_PACKED = (".gz", ".zst")


class Item(NamedTuple):
    """A JSON object of a data file.

    Attributes:
        where: file, and line or row, for messages.
        number: from 1: the line number in JSONL, the object's number in other layouts.
        text: the object as JSON.
    """

    where: LinePlace | RowPlace
    number: int
    text: str


def read_items(path: Path) -> Generator[Item]:
    """Stream the objects of a file.

    Raises:
        InputError: the file is absent or not whole, or not UTF-8.
        RecordError: a JSON array is broken.
    """
    if is_parquet(path):
        for number, (where, row) in enumerate(read_rows(path), 1):
            yield Item(where, number, row)
        return
    with open_input(path) as file:
        if _holds_array(file):
            with io.TextIOWrapper(cast("io.BufferedReader", file), encoding="utf-8-sig", newline="") as opened:
                yield from _read_array(opened, path)
            return
        for number, raw in enumerate(file, 1):
            line = decode_line(raw, path, number).rstrip()
            if line:
                yield Item(LinePlace(path, number), number, line)


def count_items(path: Path) -> int:
    """Return how many objects a file has; lines are counted without looking into them.

    Raises:
        InputError: the file is absent or not whole.
    """
    if is_parquet(path):
        return count_rows(path)
    with open_input(path) as file:
        if not _holds_array(file):
            return sum(1 for line in file if not line.isspace())
    return sum(1 for _ in read_items(path))


def find_shards(source: Path) -> list[Path]:
    """Return the files of a source, in the order of their names: itself, or all of a folder and those below it.

    Raises:
        InputError: the folder has no file that can be read.
    """
    if not source.is_dir():
        return [source]
    files = []
    for path in sorted(source.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(source).parts)
        if path.is_file() and not hidden:
            files.append(path)
    for suffixes in _SHARDS:
        shards = [path for path in files if _layout(path) in suffixes]
        if shards:
            return shards
    raise InputError(f"{source}: the folder has no file of JSONL, JSON or Parquet; give the folder of the shards")


def is_parquet(path: Path) -> bool:
    """Return True for a Parquet file, packed or not."""
    return _layout(path) == ".parquet"


def _layout(path: Path) -> str:
    """Return the ending that tells the layout: `.jsonl` for `train.jsonl.gz`."""
    return Path(path.stem).suffix if path.suffix in _PACKED else path.suffix


def _holds_array(file: IO[bytes]) -> bool:
    """Return True if a file's first character opens a JSON array; the file's position stays."""
    head = cast("io.BufferedReader", file).peek(_HEAD)
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")


def _read_array(text: io.TextIOWrapper, path: Path) -> Iterator[Item]:
    decoder = json.JSONDecoder()
    buffer = ""
    place = LinePlace(path, 1)
    number = 0
    opened = False
    while True:
        # Each turn takes one thing off the front of the buffer: blanks, then "[" or ",", an object, or the final "]".
        trimmed = buffer.lstrip(_BLANK)
        place = place.after(buffer[: len(buffer) - len(trimmed)])
        buffer = trimmed
        if not buffer:
            buffer = _more(text, path, _CHUNK)
            if not buffer:
                raise RecordError(f"{place}: the JSON array has no end; fetch the file again")
            continue
        if not opened or buffer[0] == ",":
            opened = True
            place = place.after(buffer[0])
            buffer = buffer[1:]
            continue
        if buffer[0] == "]":
            return
        end, buffer = _next_object(decoder, buffer, text, place)
        number += 1
        yield Item(place, number, buffer[:end])
        place = place.after(buffer[:end])
        buffer = buffer[end:]


def _next_object(
    decoder: json.JSONDecoder,
    buffer: str,
    text: io.TextIOWrapper,
    place: LinePlace,
) -> tuple[int, str]:
    """Return the end of the JSON value at the front of a buffer, and the buffer with the text read to find that end."""
    while True:
        try:
            _, end = decoder.raw_decode(buffer)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", "nested too deeply")
            position = getattr(error, "pos", 0)
        else:
            # A number that ends with the buffer may continue in the unread text: [1, 2 may be [1, 25].
            if end < len(buffer):
                return end, buffer
            reason = "the array has no end"
            position = end
        more = _more(text, place.path, max(_CHUNK, len(buffer)))
        if not more:
            where = place.after(buffer[:position])
            raise RecordError(f"{where}: not valid JSON ({reason}); correct it, or fetch the file again") from None
        buffer += more


def _more(text: io.TextIOWrapper, path: Path, size: int) -> str:
    try:
        return text.read(size)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason}); save the file as UTF-8") from None
