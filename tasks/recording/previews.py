"""Preview tables of outputs: a sample of the records, in the form of MLflow's `log_table`, whatever the records hold.

Programs and answers of models are in them. A cell is text that a page can show: cut where it is long, with every
character spelled out that nobody would see or that turns the reading direction.
"""

import json
import math
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.common.dotted_keys import flatten

RECORDS = 200
"""Records of a preview: all of a file that has no more, else a sample drawn with a fixed seed."""
CHARACTERS = 1000
"""Of a cell, before it is cut."""
WHOLE_BYTES = 16 * 2**20
"""Of a JSON file that is no list of records: it is read as a whole, and has no preview where it is larger."""

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_EXACT = 2**53
"""From here on integers are no numbers in a browser."""

Cell = str | int | float | bool | None


def write_previews(output: Path, folder: Path) -> dict[str, str]:
    """Write a table of every file of records of an output, below `previews/`.

    Args:
        output: a file, or a folder.
        folder: in which the tables are written.

    Returns:
        Name of each table in the folder → in words, how much of the records it has. Of weights there is none.
    """
    tables = {}
    for name, path in _files(output).items():
        table, total = read_preview(path)
        if count := len(table["data"]):
            target = f"previews/{name}.json"
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            (folder / target).write_text(json.dumps(table), encoding="ascii")
            tables[target] = f"all {total:,} records" if count == total else f"a sample of {count} of {total:,} records"
    return tables


def _files(output: Path) -> dict[str, Path]:
    """Name of a table → the file that it is of."""
    if output.is_dir():
        found = sorted(output.rglob("*.jsonl"))
        return {path.relative_to(output).with_suffix("").as_posix(): path for path in found}
    return {output.stem: output} if output.suffix in (".json", ".jsonl") else {}


def read_preview(path: Path) -> tuple[dict[str, list[Any]], int]:
    """A table of a JSONL or JSON file, and how many records there are; streamed, and bounded in memory.

    Returns:
        `columns` and `data` (rows, each beginning with its record's number), as `log_table` writes them; empty where
        the file is too large to be read as a whole.
    """
    if path.suffix == ".jsonl":
        sample, total = _sample(path)
    elif path.stat().st_size > WHOLE_BYTES:
        sample, total = [], 0
    else:
        whole = _parse(path.read_bytes())
        entries = flatten(whole) if isinstance(whole, Mapping) else [("", whole)]
        sample, total = [], 0
        for total, (name, value) in enumerate(entries, 1):
            if total <= RECORDS:
                sample.append((total, {"name": _cell(name), "value": _cell(value)}))
    columns = list(dict.fromkeys(name for _, record in sample for name in record))
    rows = [[f"{number:,} of {total:,}", *(record.get(name) for name in columns)] for number, record in sample]
    return {"columns": ["record", *columns] if rows else [], "data": rows}, total


def _sample(path: Path) -> tuple[list[tuple[int, dict[str, Cell]]], int]:
    """Reservoir sample (algorithm R) of a JSONL file's records with their numbers, in order; and how many there are."""
    draw = random.Random(0)
    sample: list[tuple[int, dict[str, Cell]]] = []
    total = 0
    with path.open("rb") as file:
        for line in file:
            if not line.strip():
                continue
            total += 1
            place = total - 1 if total <= RECORDS else draw.randrange(total)
            if place < RECORDS:
                sample[place : place + 1] = [(total, _cells(_parse(line)))]
    return sorted(sample, key=lambda item: item[0]), total


def _parse(text: bytes) -> Any:
    """A JSON text's value; the text itself where it is none, or nested beyond what Python reads."""
    try:
        return json.loads(text.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return text.decode("utf-8", "backslashreplace")


def _cells(record: Any) -> dict[str, Cell]:
    values = record if isinstance(record, dict) else {"value": record}
    return {str(_cell(name)): _cell(value) for name, value in values.items()}


def _cell(value: Any) -> Cell:
    r"""A value as a cell: numbers stay, lists and objects are their JSON.

    >>> _cell([1, {"a": "b"}])
    '[1, {"a": "b"}]'
    >>> _cell("x\u202ey")
    'x\\u202ey'
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) < _EXACT:
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    shown = _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text[:CHARACTERS])
    return shown if len(text) <= CHARACTERS else f"{shown}… (cut: {len(text):,} characters)"
