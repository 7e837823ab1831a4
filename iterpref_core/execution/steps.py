"""Job steps made of tests. What is expected stays here; only what is to be run goes into the sandbox."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from iterpref_core.errors import RecordError
from iterpref_core.execution.feedback import shorten
from iterpref_core.execution.programs import Program, StdinTest, ValueTest
from iterpref_core.execution.rewriting import Expected, expect, rewrite_assert, rewrite_unittest
from iterpref_core.records import AssertTest, IoTest, ScriptTest, Test, UnittestTest

RETURNING = frozenset({"call", "lenient", "apply", "stdin"})
"""Kinds of steps whose value leaves the sandbox, to be judged outside."""
INSIDE = frozenset({"check", "unittest", "script"})
"""Kinds of steps that a program is judged by beside itself, so that changed ones have to show whether it lies."""


class Step(NamedTuple):
    """One thing the sandbox does and reports on.

    Attributes:
        test: index of the test it belongs to.
        kind: `call` and `lenient` return a value (compared by exact types, and as Python does), `apply` returns one for
            the judge, `stdin` what the program prints, also for the judge; `raises`, `exec` and `scope` are pieces of
            tests (see `rewriting.Judged`); `check`, `unittest` and `script` only pass or fail.
        body: an expression, statements, a text to be read, a unittest source, a script test as a mapping, or, for
            `apply`, the function, the encoded arguments and the function of the result; for `stdin` the text, and
            whether it is run as the official runner does.
        expected: the value, for `call` and `lenient`.
        atol: how far a `lenient` value may be off, on top of 1e-7 of it; 0 for not at all.
        shown: makes the call as source, for `apply` and `stdin`.
    """

    test: int
    kind: str
    body: Any
    expected: Expected | None = None
    atol: float = 0.0
    shown: Callable[[], str] | None = None

    @property
    def source(self) -> str:
        """What is run, as Python source."""
        if self.shown is not None:
            return self.shown()
        return str(self.body["files"][self.body["run"]] if self.kind == "script" else self.body)


def _steps_of(index: int, test: Test | ValueTest | StdinTest, judged: bool) -> list[Step]:
    if isinstance(test, ValueTest):
        return [Step(index, "apply", (test.function, test.encoded, test.then), shown=lambda: test.call)]
    if isinstance(test, StdinTest):
        body = [test.stdin, test.official]
        return [Step(index, "stdin", body, shown=lambda: f"the program, given {shorten(test.stdin, 80)!r},")]
    if isinstance(test, IoTest):
        kind = "lenient" if judged or test.atol is not None else "call"
        try:
            expected = None if judged else expect(test.expected)
        except ValueError as error:
            raise RecordError(f"test {test.call!r}: field 'expected': {error}; write it as Python does") from None
        return [Step(index, kind, test.call, expected, test.atol or 0.0)]
    if isinstance(test, AssertTest):
        return [Step(index, *piece) for piece in rewrite_assert(test.code)]
    if isinstance(test, UnittestTest):
        pieces = rewrite_unittest(test.code)
        return [Step(index, *piece) for piece in pieces] or [Step(index, "unittest", test.code)]
    assert isinstance(test, ScriptTest)
    return [Step(index, "script", test.model_dump(exclude={"kind", "environment"}))]


def steps_of(program: Program) -> tuple[Step, ...]:
    """The steps of a program's tests, in order.

    Raises:
        RecordError: the expected value of an `io` test is not a literal.
    """
    judged = program.judge is not None
    return tuple(step for index, test in enumerate(program.tests) for step in _steps_of(index, test, judged))


def job(program: Program, steps: Sequence[Step]) -> bytes:
    """What is sent into the sandbox: everything but the expected values."""
    setup, code, measure = program.setup, program.code, None
    if program.measure:
        # One text for all kinds of tests, so that a line has one number.
        measure = program.preamble.count("\n")
        setup, code = "", program.preamble + code
    message = {
        "measure": measure,
        "setup": setup,
        "code": code,
        "steps": [(step.kind, step.body) for step in steps],
    }
    return json.dumps(message).encode()
