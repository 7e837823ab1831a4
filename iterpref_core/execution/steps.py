"""Job steps made of tests. What is expected stays here; only what is to be run goes into the sandbox."""

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from iterpref_core.errors import RecordError
from iterpref_core.execution.feedback import shorten
from iterpref_core.execution.programs import Judge, Program, StdinTest, ValueTest
from iterpref_core.execution.rewriting import Expected, expect, rewrite_assert, rewrite_unittest
from iterpref_core.records import AssertTest, IoTest, Test, UnittestTest

RETURNING = frozenset({"call", "lenient", "apply", "stdin"})
"""Kinds of steps whose value leaves the sandbox, to be judged outside."""
INSIDE = frozenset({"check", "unittest", "script"})
"""Kinds of steps that a program is judged by beside itself, so that changed ones have to show whether it lies."""


class Step(NamedTuple):
    """One thing the sandbox does and reports on.

    Attributes:
        test: index of the test it belongs to.
        kind: `call` and `lenient` return a value (of exact types, and of what holds one), `apply` returns one for the
            judge, `stdin` what the program prints, also for the judge; `raises`, `exec` and `scope` are pieces of tests
            (see `rewriting.Judged`); `check`, `unittest` and `script` only pass or fail.
        body: an expression, statements, a text to be read, a unittest source, a script test as a mapping, or, for
            `apply`, the function, the encoded arguments and the function of the result.
        expected: of a value that is judged outside.
        shown: makes the call as source, for `apply` and `stdin`.
    """

    test: int
    kind: str
    body: Any
    expected: Expected | None = None
    shown: Callable[[], str] | None = None

    @property
    def source(self) -> str:
        """What is run, as Python source."""
        if self.shown is not None:
            return self.shown()
        return str(self.body["files"][self.body["run"]] if self.kind == "script" else self.body)


def _steps_of(index: int, test: Test | ValueTest | StdinTest, judge: Judge | None) -> list[Step]:
    judged = Expected(functools.partial(judge, index)) if judge else None
    if isinstance(test, ValueTest):
        return [Step(index, "apply", (test.function, test.encoded, test.then), judged, lambda: test.call)]
    if isinstance(test, StdinTest):
        shown = f"the program, given {shorten(test.stdin, 80)!r},"
        return [Step(index, "stdin", test.stdin, judged, lambda: shown)]
    if isinstance(test, IoTest):
        try:
            expected = judged or expect(test.expected, test.atol)
        except ValueError as error:
            raise RecordError(f"test {test.call!r}: field 'expected': {error}; write it as Python does") from None
        return [Step(index, "call" if expected.text else "lenient", test.call, expected)]
    if isinstance(test, AssertTest):
        return [Step(index, *piece) for piece in rewrite_assert(test.code)]
    if isinstance(test, UnittestTest):
        pieces = rewrite_unittest(test.code)
        return [Step(index, *piece) for piece in pieces] or [Step(index, "unittest", test.code)]
    return [Step(index, "script", test.model_dump(exclude={"kind", "environment"}))]


def steps_of(program: Program) -> tuple[Step, ...]:
    """The steps of a program's tests, in order.

    Raises:
        RecordError: the expected value of an `io` test is not a literal.
    """
    return tuple(step for index, test in enumerate(program.tests) for step in _steps_of(index, test, program.judge))


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
