"""Find out whether the user has brought pairs. With pairs, an experiment needs no problems."""

from pathlib import Path

from iterpref_core.records import Problem

from .jsonl import read_jsonl


def has_pairs(folder: Path) -> bool:
    """Return True if a folder holds files of pairs."""
    return any(folder.glob("*.jsonl"))


def has_pairs_alone(folder: Path, problems: Path) -> bool:
    """Return True if a folder holds files of pairs, and no problem is left to debug."""
    return has_pairs(folder) and next(read_jsonl(problems, Problem, split="codeflow"), None) is None
