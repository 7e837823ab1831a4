"""Job steps made of tests. Expected values stay here; only code to be run goes into the sandbox."""

import ast
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from iterpref_core.errors import RecordError
from iterpref_core.execution.judging.expectations import Expected, expect, literal
from iterpref_core.execution.protocol.programs import Judge, Program, RunnerTest, ValueTest
from iterpref_core.records import AssertTest, IoTest, PytestTest, ScriptTest, Test, UnittestTest
from iterpref_core.source_code.syntax_tree import parse

RETURNING = frozenset({"call", "lenient", "equal", "apply", "runner", "console"})
"""Kinds of steps whose value or output leaves the sandbox, to be judged outside."""
_MAX_COMPARED = 100_000
"""Length of an assertion whose literal is compared out here: no text of an equal value reaches `encoding.MAX_TEXT`."""


class Step(NamedTuple):
    """One thing the sandbox does and reports on: a test.

    Attributes:
        kind: `call` and `lenient` return a value (of exact types, and the one that an object holds), `equal`
            one of exact types that Python's `==` compares, `apply` and `runner` return one for the program's judge;
            `console` is a script; `check` are statements, `unittest` and `pytest` sources of tests, `script` a script
            that imports the solution.
        body: an expression, statements, a source of tests, a script test as a mapping, or, for `apply`, the function,
            the arguments and the function of the result; for `runner`, its source and arguments.
        expected: of a value that is judged outside.
        shown: makes the Python source of the step, where the body is none.
        test: index of the test it belongs to.
        prints: the value is the text that the program has printed.
    """

    kind: str
    body: Any
    expected: Expected | None = None
    shown: Callable[[], str] | None = None
    test: int = 0
    prints: bool = False

    @property
    def source(self) -> str:
        """Return the test as Python source."""
        return str(self.body) if self.shown is None else self.shown()


def _step_of(index: int, test: Test | ValueTest | RunnerTest, judge: Judge | None) -> Step:
    judged = Expected(functools.partial(judge, index)) if judge else None
    if isinstance(test, ValueTest):
        body = (test.function, tuple(test.arguments), test.then)
        return Step("apply", body, judged, lambda: test.call)
    if isinstance(test, RunnerTest):
        return Step("runner", (test.runner, test.arguments), judged, test.shown, prints=test.prints)
    if isinstance(test, IoTest):
        try:
            expected = expect(test.expected, test.atol, tuples_as_lists=bool(test.tuples_as_lists))
        except ValueError as error:
            raise RecordError(f"test {test.call!r}: field 'expected': {error}; write it as a Python literal") from None
        kind = "call" if test.atol is None else "lenient"
        return Step(kind, test.call, expected)
    if isinstance(test, AssertTest):
        return Step("check", test.code)
    if isinstance(test, UnittestTest):
        return Step("unittest", test.code)
    if isinstance(test, PytestTest):
        return Step("pytest", test.code)
    assert isinstance(test, ScriptTest)  # a stdin test is no step of a program: see `console_tests`
    source = test.all_files()[test.run]
    sent = test.model_dump(exclude={"kind", "environment", "packages"})
    sent["judge_files"] = sent["judge_files"] or {}
    sent["source"] = source
    return Step("script", sent, shown=lambda: source)


def steps_of(program: Program) -> tuple[Step, ...]:
    """Return the steps of a program's tests, in order.

    Raises:
        RecordError: the expected value of an `io` test is not a literal.
    """
    steps: list[Step] = []
    for index, test in enumerate(program.tests):
        step = _step_of(index, test, program.judge)
        steps.append(step._replace(test=index))
    return tuple(steps)


def need_a_judge(steps: Sequence[Step]) -> bool:
    """Tell whether a judge has to be beside the program: for everything but calls whose values are judged out here."""
    return not all(_is_call(step) for step in steps)


def _is_call(step: Step) -> bool:
    if step.kind in ("call", "lenient"):
        return is_plain_call(step.body)
    return step.kind in ("equal", "apply", "runner")


def as_calls(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return steps that take no judge, for tests of which each calls something and compares the result with a literal.

    Returns:
        The steps, with calls in the place of such assertions; empty if one of the steps is another kind of test.
    """
    calls: list[Step] = []
    for step in steps:
        call = _compared_call(step.body) if step.kind == "check" else step
        if call is None or not _is_call(call):
            return ()
        calls.append(call._replace(test=step.test))
    return tuple(calls)


@functools.lru_cache(maxsize=4096)
def _compared_call(source: str) -> Step | None:
    """Return the call in `assert f(2) == 4`, as a step whose value is compared out here; None for any other test."""
    if len(source) > _MAX_COMPARED:
        return None
    try:
        statements = parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    match statements:
        case [ast.Assert(test=ast.Compare(left=ast.Call() as call, ops=[ast.Eq()], comparators=[right]))]:
            pass
        case _:
            return None
    try:
        value = ast.literal_eval(right)
        # A number of more digits than Python writes, as `0xfff...` may have, cannot be shown: the judge runs the test.
        text, wanted = ast.unparse(call), ast.unparse(right)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return None
    if not is_plain_call(text):
        return None
    # Python's own `==`, on the values that the supervisor has decoded: `True` equals `1` here, unlike in `io` tests.
    return Step("equal", text, Expected(lambda actual: bool(actual == value), wanted))


@functools.lru_cache(maxsize=4096)
def is_plain_call(source: str) -> bool:
    """Tell whether an expression calls something with literals, and computes nothing with the result.

    >>> [is_plain_call(source) for source in ("f([1, -2])", "Solution().f(2)", "f(2) == 4", "sorted(f(2))")]
    [True, True, False, False]
    """
    try:
        node: ast.expr = parse(source.strip(), "eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True  # the program's own process says what is wrong with it
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Name | ast.Attribute)
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Attribute):
            node = node.value
            continue
        try:
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                literal(argument)
        except ValueError:
            return False
        node = node.func
    return isinstance(node, ast.Name)
