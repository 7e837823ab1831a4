"""Describe the steps of a program's tests, which the sandbox does one after the other, with a report on each.

These modules are loaded into interpreters that have the standard library alone, on both sides.
"""

import marshal
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Literal, NamedTuple

LEFT, RIGHT = "_left_value", "_right_value"
"""Names that keep the values which an assertion compares; see `ruling.operands`."""
Runner = Literal["call", "assert", "unittest", "pytest", "script"]
"""What becomes of a step, and the names that it sees:

    call       an expression; its value leaves the sandbox. The names of the solution and of `assert` tests before it
    assert     a test that runs inside. A copy of the solution's names, which all `assert` tests of a program share
    unittest   the same, with a copy of its own
    pytest     the same, in a module of its own, which imports the solution
    script     the same, as `__main__`
"""


class SandboxStep(NamedTuple):
    """One thing that the sandbox does and reports on.

    Attributes:
        runner: see `Runner`.
        test: index of the test.
        source: of the expression or of the test.
        arguments: values to call the expression's value with; None: it is not called.
        then: an expression for a function of Python's, applied to the result; may be empty.
        files: path and text of the files of a script's test.
        path: of a script's own file.
        module: name that the test imports the solution by.
    """

    runner: Runner
    test: int
    source: str
    arguments: tuple[Any, ...] | None = None
    then: str = ""
    files: tuple[tuple[str, str], ...] = ()
    path: str = ""
    module: str = "solution"

    @property
    def is_inside(self) -> bool:
        """Return whether a test runs in the process of the program."""
        return self.runner != "call"


_MARSHAL = 4
"""The version of the format that all supported versions of Python read."""


class ProgramMessage(NamedTuple):
    """The message to the process of a program; see `packed`.

    Attributes:
        setup: source to run before the program; may be empty.
        code: the program.
        modules: names that tests import the program by, and whether scripts do; none for a script on a console.
        key: begins each report.
        only: the steps, if they have one turn; else empty.
    """

    setup: str
    code: str
    modules: tuple[tuple[str, bool], ...]
    key: str
    only: bytes


def packed(setup: str, code: str, steps: Sequence[SandboxStep], key: str) -> tuple[bytes, list[bytes]]:
    """Return the message to the process of a program, and the steps of its turns.

    If there is only one turn, the message has its steps, since no later steps have to be hidden.

    Args:
        setup: source to run before the program; may be empty.
        code: the program.
        steps: in order; none for a script on a console. Calls with values, of one function, have one turn.
        key: begins each report of the process. A program that writes reports does not know the key.
    """
    # `solution`, and the names by which scripts import the program
    modules = dict.fromkeys((step.module, step.runner == "script") for step in steps)
    turns: list[list[SandboxStep]] = []
    for has_values, group in groupby(steps, lambda step: step.arguments is not None):
        # Hundreds of a benchmark's calls go into one turn: their arguments do not depend on answers.
        several = list(group)
        turns += [several] if has_values else [[step] for step in several]
    # Tuples: no class of this project's has to be imported, from its files, where the message is read.
    texts = [marshal.dumps(list(map(tuple, turn)), _MARSHAL) for turn in turns]
    only = texts.pop() if len(texts) == 1 else b""
    message = ProgramMessage(setup, code, tuple(modules), key, only)
    return marshal.dumps(tuple(message), _MARSHAL), texts


def unpacked(raw: bytes) -> ProgramMessage:
    """Return the message that `packed` has made."""
    return ProgramMessage._make(marshal.loads(raw))


def unpacked_turn(raw: bytes) -> list[SandboxStep]:
    """Return the steps of a turn."""
    return [SandboxStep._make(fields) for fields in marshal.loads(raw)]
