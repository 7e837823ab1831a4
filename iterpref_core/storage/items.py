r"""Items: the JSON objects of a data file, whatever holds them, each with its place for messages.

Four layouts are read: JSONL, a JSON array, Parquet, and a folder of such shards. Files may be packed (`.gz`, `.zst`).
All are streamed. An array is read piece by piece as well:

    [{"a": 1}, {"a"          the buffer holds one whole object, and the beginning of another
    [{"a": 1}, {"a": 2}]     the rest has been read: now the second one is whole, too

Each time that an object is not whole, as much text is read as the buffer holds, so that an object of n characters is
looked at about log n times and not n times.
"""

import codecs
import io
import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from iterpref_core.errors import InputError, RecordError
from iterpref_core.input_files import Place, decode_line, open_input
from iterpref_core.storage.parquet import RowPlace, count_rows, read_rows

_CHUNK = 1 << 16
_HEAD = 4096
_BLANK = " \t\r\n"
_SHARDS = (
    (".parquet",),
    (".jsonl", ".ndjson"),
    (".json",),
)
"""Layouts that a folder is searched for, in this order; the first that is there is read, since others are copies of it
or describe it (`dataset_infos.json`)."""
_PACKED = (".gz", ".zst")


class Item(NamedTuple):
    """One object.

    Attributes:
        where: for messages: file and line, or row.
        number: from 1: the line of JSONL; else how many objects there were, this one included.
        text: its JSON.
    """

    where: Place | RowPlace
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
                yield Item(Place(path, number), number, line)


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
    files = [
        path
        for path in sorted(source.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(source).parts)
    ]
    for suffixes in _SHARDS:
        shards = [path for path in files if _layout(path) in suffixes]
        if shards:
            return shards
    raise InputError(f"{source}: the folder has no file of JSONL, JSON or Parquet; give the folder of the shards")


def is_parquet(path: Path) -> bool:
    """Return whether a file is read as Parquet, packed or not."""
    return _layout(path) == ".parquet"


def _layout(path: Path) -> str:
    """Return the ending of a name without that of a packed file: `.jsonl` of `train.jsonl.gz`."""
    return Path(path.stem).suffix if path.suffix in _PACKED else path.suffix


def _holds_array(file: IO[bytes]) -> bool:
    """Return whether a file's first character opens a JSON array; nothing is read from the file."""
    head = cast("io.BufferedReader", file).peek(_HEAD)
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")


def _read_array(text: io.TextIOWrapper, path: Path) -> Iterator[Item]:
    decoder = json.JSONDecoder()
    buffer = ""
    place = Place(path, 1)
    number = 0
    opened = False
    while True:
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


def _next_object(decoder: json.JSONDecoder, buffer: str, text: io.TextIOWrapper, place: Place) -> tuple[int, str]:
    """Return where the value ends with which a buffer begins, and the buffer with what had to be read for that."""
    while True:
        try:
            _, end = decoder.raw_decode(buffer)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", "nested too deeply")
            position = getattr(error, "pos", 0)
        else:
            if end < len(buffer):  # a number may go on in what has not been read
                return end, buffer
            reason, position = "the array has no end", end
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
