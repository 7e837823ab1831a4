"""Job steps made of tests. What is expected stays here; only what is to be run goes into the sandbox."""

import functools

from iterpref_core.errors import RecordError
from iterpref_core.execution.programs import Judge, LiveCodeBenchTest, Program, ValueTest
from iterpref_core.execution.rewriting import Expected, Step, expect, rewrite_assert, rewrite_unittest
from iterpref_core.records import AssertTest, IoTest, ScriptTest, Test, UnittestTest

RETURNING = frozenset({"call", "lenient", "apply", "livecodebench", "livecodebench_call", "console"})
"""Kinds of steps whose value, or what they print, leaves the sandbox, to be judged outside."""
INSIDE = frozenset({"check", "unittest", "script"})
"""Kinds of steps that a program is judged by beside itself, so that changed ones have to show whether it lies."""


def _livecodebench_step(test: LiveCodeBenchTest, judged: Expected | None) -> Step:
    if test.stdin is None:
        return Step("livecodebench_call", (test.function, tuple(test.arguments)), judged, lambda: test.call)
    return Step("livecodebench", test.stdin, judged, lambda: test.call)


def _steps_of(index: int, test: Test | ValueTest | LiveCodeBenchTest, judge: Judge | None) -> list[Step]:
    judged = Expected(functools.partial(judge, index)) if judge else None
    if isinstance(test, ValueTest):
        return [Step("apply", (test.function, tuple(test.arguments), test.then), judged, lambda: test.call)]
    if isinstance(test, LiveCodeBenchTest):
        return [_livecodebench_step(test, judged)]
    if isinstance(test, IoTest):
        try:
            expected = expect(test.expected, test.atol)
        except ValueError as error:
            raise RecordError(f"test {test.call!r}: field 'expected': {error}; write it as a Python literal") from None
        return [Step("call" if expected.text else "lenient", test.call, expected)]
    if isinstance(test, AssertTest):
        return list(rewrite_assert(test.code))
    if isinstance(test, UnittestTest):
        return list(rewrite_unittest(test.code)) or [Step("unittest", test.code)]
    assert isinstance(test, ScriptTest)  # a stdin test is no step of a program: see `console_tests`
    return [Step("script", test.model_dump(exclude={"kind", "environment"}), shown=lambda: test.files[test.run])]


def steps_of(program: Program) -> tuple[Step, ...]:
    """The steps of a program's tests, in order.

    Raises:
        RecordError: the expected value of an `io` test is not a literal.
    """
    return tuple(
        step._replace(test=index)
        for index, test in enumerate(program.tests)
        for step in _steps_of(index, test, program.judge)
    )
