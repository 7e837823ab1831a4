"""Name the command that reads a file of pairs in another layout than TRL's."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_OTHER_NAMES = {
    "prompt": ("question", "instruction", "query", "problem", "statement", "task", "input"),
    "chosen": ("good", "accepted", "better", "preferred", "win", "winner", "correct", "fixed", "chosen_response"),
    "rejected": ("bad", "worse", "lose", "loser", "incorrect", "wrong", "buggy", "rejected_response"),
}
"""The parts of a pair, each with names that other sets give it."""


def other_rejected(columns: Iterable[str]) -> str:
    """Return the column that seems to have the rejected program under another name; "" if none does."""
    return next((name for name in columns if name in _OTHER_NAMES["rejected"]), "")


def ingest_command(path: Path, row: Mapping[str, Any]) -> str:
    """Return the command that turns a file into pairs, with the columns of its first row as far as they are clear.

    >>> ingest_command(Path("mine.jsonl"), {"question": "?", "good": "a", "bad": "b"})
    'iterpref ingest mine.jsonl --format trl --columns prompt=question,chosen=good,rejected=bad --out pairs.jsonl'
    """
    columns = {part: next((name for name in names if name in row), "…") for part, names in _OTHER_NAMES.items()}
    stated = ",".join(
        f"{part}={column}"
        for part, column in columns.items()
        # A conversation has its prompt in it.
        if part not in row and not (part == "prompt" and column == "…" and isinstance(row.get("chosen"), list))
    )
    return f"iterpref ingest {path} --format trl{' --columns ' * bool(stated)}{stated} --out pairs.jsonl"
