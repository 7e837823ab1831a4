"""The cases of `programs.txt`, and the programs of `liars.txt`."""

from pathlib import Path
from typing import NamedTuple

from tests.execution.program_texts import read_cases


class Case(NamedTuple):
    """Tests and their programs.

    Attributes:
        kind: of the tests.
        tests: their sources.
        parts: `setup`, source that runs before the program; `right`, a program that passes; `wrong`, one that fails;
            `lie`, one that is wrong and passes in plain Python; `refused`, one that passes there and whose value the
            supervisor cannot compare.
    """

    kind: str
    tests: tuple[str, ...]
    parts: dict[str, str]


_KINDS = ("assert", "unittest", "pytest", "script")
_HERE = Path(__file__).parent


def _case(parts):
    tests = tuple(source for title, source in parts if title in _KINDS)
    return Case(parts[0][0], tests, dict(parts))


CASES = {name: _case(parts) for name, parts in read_cases(_HERE / "programs.txt").items()}
"""The cases, by name."""
LIARS = {name: dict(parts)["wrong"] for name, parts in read_cases(_HERE / "liars.txt").items()}
"""Programs whose `f(2)` is not 4, by name."""
