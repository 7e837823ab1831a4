"""Describe the steps of a program's tests, which the sandbox does one after the other, with a report on each.

These modules are loaded into interpreters that have the standard library alone, on both sides.
"""

import marshal
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from ..frames import framed  # noqa: TID252 - a zygote has these modules under another name

_WAYS_TO_THE_FILE = re.compile(
    r"__file__|__loader__|__spec__|co_filename|importlib|inspect|linecache|pkgutil|runpy|solution\.py|sys\.modules"
    r"|traceback|subprocess|multiprocessing|os\.(popen|system|spawn|exec|posix_spawn)"
)
"""Words of sources that may open the program's file."""
LEFT, RIGHT = "_left_value", "_right_value"
"""Names that keep the values which an assertion compares; see `ruling.operands`."""
Runner = Literal["io", "assert", "unittest", "pytest", "script"]
"""The runner of a test, which decides about the names that the test sees:

    io         the names of the solution's module
    assert     a copy of them, which all `assert` tests of a program share
    unittest   a copy of them, of one test
    pytest     a module of its own, which imports the solution
    script     the same, as `__main__`
"""


class ValueStep(NamedTuple):
    """An expression whose value leaves the sandbox.

    Attributes:
        runner: of the test that the expression is from.
        test: index of the test.
        expression: source.
        arguments: values to call the expression's value with; None: it is not called.
        then: an expression for a function of the result; may be empty.
    """

    runner: Runner
    test: int
    expression: str
    arguments: tuple[Any, ...] | None = None
    then: str = ""


class RunStep(NamedTuple):
    """A test that runs inside: in the process of the program, as its runner runs it.

    Attributes:
        runner: runs the test.
        test: index of the test.
        source: of the test.
        files: path and text of the files of a script's test.
        path: of the test's own file.
        module: name that the test imports the solution by.
    """

    runner: Runner
    test: int
    source: str
    files: tuple[tuple[str, str], ...] = ()
    path: str = "test_solution.py"
    module: str = "solution"


SandboxStep = ValueStep | RunStep
_MARSHAL = 4
"""The version of the format that all supported versions of Python read."""


class Message(NamedTuple):
    """The message to the process of a program; see `packed`.

    Attributes:
        setup: source to run before the program; may be empty.
        code: the program.
        modules: names that tests import the program by, and whether scripts do; none for a script on a console.
        key: begins each report.
        opens_file: the program's file may be opened.
        only: the steps, if they have one turn; else empty.
    """

    setup: str
    code: str
    modules: tuple[tuple[str, bool], ...]
    key: str
    opens_file: bool
    only: bytes


def _opens_file(code: str, steps: Sequence[SandboxStep]) -> bool:
    """Return whether a program or a test may open the program's file: to write one takes as long as most programs.

    Tracebacks and `inspect` find the lines of functions without a file.
    """
    texts = {code}
    for step in steps:
        # A test may open the file as well: `open(solution.__file__)`.
        texts.add(step.expression if isinstance(step, ValueStep) else step.source)
    return any(map(_WAYS_TO_THE_FILE.search, texts))


def packed(setup: str, code: str, steps: Sequence[SandboxStep], key: str) -> tuple[bytes, bytes]:
    """Return the message to the process of a program, and the steps of its turns, a frame for each.

    If there is only one turn, the message has its steps, since no later steps have to be hidden.

    Args:
        setup: source to run before the program; may be empty.
        code: the program.
        steps: in order; none for a script on a console. Calls with values, of one function, have one turn.
        key: begins each report of the process. A program that writes reports does not know the key.
    """
    # `solution`, and the names by which scripts import the program
    modules = dict.fromkeys(
        (step.module if isinstance(step, RunStep) else "solution", step.runner == "script") for step in steps
    )
    turns: list[list[SandboxStep]] = []
    for step in steps:
        # Hundreds of a benchmark's calls go into one turn: their arguments do not depend on answers.
        if turns and _has_values(step) and _has_values(turns[-1][-1]):
            turns[-1].append(step)
        else:
            turns.append([step])
    # Tuples: no class of this project's has to be imported, from its files, where the message is read.
    texts = [marshal.dumps([(type(step).__name__, tuple(step)) for step in turn], _MARSHAL) for turn in turns]
    only = texts.pop() if len(texts) == 1 else b""
    message = Message(setup, code, tuple(modules), key, _opens_file(code, steps), only)
    return marshal.dumps(tuple(message), _MARSHAL), b"".join(map(framed, texts))


def _has_values(step: SandboxStep) -> bool:
    return isinstance(step, ValueStep) and step.arguments is not None


def unpacked(raw: bytes | memoryview) -> Message:
    """Return the message that `packed` has made."""
    return Message._make(marshal.loads(raw))


def unpacked_turn(raw: bytes) -> list[SandboxStep]:
    """Return the steps of a turn."""
    kinds = {kind.__name__: kind for kind in (ValueStep, RunStep)}
    return [kinds[name]._make(fields) for name, fields in marshal.loads(raw)]
