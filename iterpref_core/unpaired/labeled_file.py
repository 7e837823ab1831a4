"""Labeled file: single programs that pass or fail, checked row by row before any model is loaded."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from iterpref_core.errors import InputError, RecordError
from iterpref_core.prompt_messages import plain_prompt
from iterpref_core.records import LabeledProgram
from iterpref_core.storage.items import read_items
from iterpref_core.storage.jsonl import parse_record

PlacedProgram = tuple[str, LabeledProgram]
"""File and line, for messages; the program that stands there."""


def read_labeled(path: Path, *, focal: bool) -> Iterator[PlacedProgram]:
    """Yield the programs of a file in any layout that `read_items` knows.

    Args:
        path: rows of `prompt`, `completion` and `label`, as in TRL's KTO.
        focal: each failing program needs its error region.

    Raises:
        RecordError: a row cannot be used; the message names its line.
        InputError: there is no row, or all of them have the same label.
    """
    labels: dict[int, tuple[bool, int]] = {}
    found = set()
    with closing(read_items(path)) as items:
        for item in items:
            program = parse_record(item.where, item.text, LabeledProgram)
            if focal and not program.label and not any(start < end for start, end in program.rejected_spans or ()):
                raise RecordError(
                    f"{item.where}: field 'rejected_spans': target-kto pushes down the error region of each failing "
                    "program, and this one has none; give [start, end) in characters, leave the row out, or train "
                    "with kto"
                )
            # The same program may come twice, to weigh more, but not as one that passes and one that fails.
            text = hash((str(plain_prompt(program.prompt)), program.completion))
            label, line = labels.setdefault(text, (program.label, item.number))
            if label != program.label:
                raise RecordError(
                    f"{item.where}: the program of line {line} passes and fails: it has both labels; keep the right one"
                )
            found.add(program.label)
            yield str(item.where), program
    if not found:
        raise InputError(f"{path}: has no program; give rows such as {LabeledProgram.example}")
    require_both(found, str(path))


def require_both(labels: set[bool], where: str) -> None:
    """Refuse programs that all pass, or all fail.

    Raises:
        InputError: there is one label alone.
    """
    if len(labels) < 2:
        (label,) = labels
        alone, missing = ("pass", "fails") if label else ("fail", "passes")
        raise InputError(
            f"{where}: all programs {alone} (label {str(label).lower()}), and KTO learns from the difference; add some "
            f"that {missing}"
        )
