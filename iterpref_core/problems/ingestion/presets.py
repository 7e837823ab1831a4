"""Load the presets of published sets, with the columns of their rows, from `presets.toml`."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import preparations
from .values import Row


@dataclass(frozen=True)
class Preset:
    """A published layout of rows.

    Attributes:
        name: the format.
        title: the sets that have it, for the table.
        card: the set's repository on the hub.
        hub: the further options of the command that reads it from the hub, for the table.
        license: SPDX of the license on the set's card, for a file without its card; a row or a card may state another.
        columns: the columns of each part, in the words of `--columns`; None: the user names them.
        notes: remarks for the table; *not seen*: the columns come from code that reads the set.
        prefix: the beginning of the problems' names; empty: names are taken as they are.
        asks: True: the prompt asks for a script or a function of a name. False: the statement asks.
        ignore_case: True: the set's own rule ignores case in a script's output.
        prepare: name of the function of `preparations` that is the set's own.
        parts: the kind of its rows, a key of `PARTS`.
    """

    name: str
    title: str
    card: str = ""
    hub: str = ""
    license: str = ""
    columns: str | None = None
    notes: str = ""
    prefix: str = ""
    asks: bool = True
    ignore_case: bool = False
    prepare: str = ""
    parts: str = "problems"

    @property
    def product(self) -> str:
        """Return the kind of record that a row gives, `problem` or `pair`."""
        return "pair" if self.parts in {"answers", "programs"} else "problem"

    @property
    def prepare_row(self) -> Callable[[Row], Row]:
        """Return the function that adds columns to a row."""
        return getattr(preparations, self.prepare) if self.prepare else dict


_TABLE = tomllib.loads(Path(__file__).with_name("presets.toml").read_text(encoding="utf-8"))
PRESETS = {name: Preset(name, **fields) for name, fields in _TABLE.items()}
