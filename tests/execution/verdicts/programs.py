"""The cases of `programs.txt`, and the programs of `liars.txt`."""

import re
from pathlib import Path
from typing import NamedTuple


class Case(NamedTuple):
    """Tests and their programs.

    Attributes:
        kind: of the tests.
        tests: their sources.
        parts: `setup`, source that runs before the program; `right`, a program that passes; `wrong`, one that fails, or
            lies.
    """

    kind: str
    tests: tuple[str, ...]
    parts: dict[str, str]


_KINDS = ("assert", "unittest", "pytest", "script")


def _case(text: str) -> tuple[str, Case]:
    """Return the name and the case of a text between two lines of `===`."""
    name, *sections = re.split(r"\n--- ", re.split(r"\n## ", text)[0].strip("\n"))
    parts = [(title, source.strip("\n")) for title, _, source in (section.partition("\n") for section in sections)]
    tests = tuple(source for title, source in parts if title in _KINDS)
    return name, Case(parts[0][0], tests, dict(parts))


def _cases(name: str) -> dict[str, Case]:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return dict(map(_case, re.split(r"\n=== ", text)[1:]))


CASES = _cases("programs.txt")
"""The cases, by name."""
LIARS = {name: case.parts["wrong"] for name, case in _cases("liars.txt").items()}
"""Programs whose `f(2)` is not 4, by name."""
