"""Presets: the published sets that can be read; `presets.toml` has for each where in its rows everything stands."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.problems.ingestion import preparations
from iterpref_core.problems.ingestion.columns import ANSWERS, PROBLEMS, PROGRAMS, SUBMISSIONS
from iterpref_core.problems.ingestion.values import Row
from iterpref_core.records.errors import InputError, unknown_name

_PARTS = {"problems": PROBLEMS, "answers": ANSWERS, "programs": PROGRAMS, "submissions": SUBMISSIONS}


@dataclass(frozen=True)
class Preset:
    """A published layout of rows.

    Attributes:
        title: the sets that have it, for the table.
        card: the set's repository on the hub.
        license: SPDX of the license on the set's card, for a file without its card; a row or a card may state another.
        columns: where each part stands, in the words of `--columns`; None: the user says it.
        notes: what is special, for the table; *not seen*, where the columns are those of code that reads the set.
        prefix: the beginning of the problems' names; empty: names are taken as they are.
        asks: True: the prompt says what to write, a script or a function of a name. False: the statement says it.
        ignore_case: True: the set's own rule ignores case in what a script prints.
        prepare: name of the function of `preparations` that is the set's own.
        parts: what its rows are: `problems`, pairs of `answers`, buggy and fixed `programs`, or `submissions`: single
            programs.
    """

    title: str
    card: str = ""
    license: str = ""
    columns: str | None = None
    notes: str = ""
    prefix: str = ""
    asks: bool = True
    ignore_case: bool = False
    prepare: str = ""
    parts: str = "problems"

    @property
    def row_parts(self) -> tuple[str, ...]:
        """Return the parts of its rows."""
        return _PARTS[self.parts]

    @property
    def prepare_row(self) -> Callable[[Row], Row]:
        """Return the function that adds columns to a row."""
        return getattr(preparations, self.prepare) if self.prepare else dict


ANY_SET = "problems"
"""The preset of sets that have none: columns stand where the user says."""
OWN_RECORDS = "jsonl"
"""The preset of this project's own records."""

_TABLE = tomllib.loads(Path(__file__).with_name("presets.toml").read_text(encoding="utf-8"))
PRESETS = {name: Preset(**fields) for name, fields in _TABLE.items()}


def find_preset(name: str) -> Preset:
    """Return a preset.

    Raises:
        InputError: there is none of this name.
    """
    if name not in PRESETS:
        raise InputError(f"--format: {unknown_name('format', name, list(PRESETS))}")
    return PRESETS[name]
