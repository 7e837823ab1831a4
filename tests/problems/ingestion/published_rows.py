"""Rows of public problem sets in their published shapes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iterpref_core.records import read_yaml


@dataclass(frozen=True)
class PublishedRow:
    """A row, and what must come out of it.

    Attributes:
        form: its format.
        row: as it stands in the set.
        right: a program that must pass.
        wrong: a program that must fail.
        entry_point: what is called; empty for a script.
        tests: how many visible and hidden tests there are.
        references: whether the set has right programs.
    """

    form: str
    row: dict[str, Any]
    right: str
    wrong: str
    entry_point: str = ""
    tests: Sequence[int] = (2, 0)
    references: bool = True


ROWS = {name: PublishedRow(**row) for name, row in read_yaml(Path(__file__).parent / "published_rows.yaml").items()}
