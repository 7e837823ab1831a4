"""Calls, whose values the supervisor compares: `io` tests, value tests, and the call in `assert f(2) == 4`.

`f([1, 2])` needs no judge. Of `f(2) == 4` and `sorted(f(2))` the program could decide the value: a judge computes them.
"""

import functools
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .kind import Child, Judge, Kind, Step
from .reports import TEST, Report, compiled, returned

if TYPE_CHECKING:
    from ..comparison.expectations import Expected

Body = tuple[str, "tuple[Any, ...] | None", str, bool]
"""An expression; the arguments with which its value is called, if it is; an expression for a function of the result, or
""; and whether an object counts as the plain value that it holds."""


def body_of(
    expression: str, arguments: tuple[Any, ...] | None = None, then: str = "", *, lenient: bool = False
) -> Body:
    """Return the body of a call."""
    return expression, arguments, then, lenient


class Call(Kind):
    """The kind `io`."""

    name = "io"
    returns = True
    is_told_by_call = True

    def step(self, test: Any, compared: "Expected | None") -> Step:
        """Return the step of a test, with its expected value.

        Raises:
            RecordError: the expected value is not a literal.
        """
        from iterpref_core.execution.comparison.expectations import expect
        from iterpref_core.records.errors import RecordError

        del compared
        try:
            expected = expect(test.expected, test.atol, tuples_as_lists=bool(test.tuples_as_lists))
        except ValueError as error:
            raise RecordError(f"test {test.call!r}: field 'expected': {error}; write it as a Python literal") from None
        return Step(self, body_of(test.call, lenient=test.atol is not None), lambda: str(test.call), expected)

    def needs_judge(self, step: Step) -> bool:
        """Tell whether something is computed with the value of a call."""
        from iterpref_core.execution.kinds.outside import is_plain_call

        return not is_plain_call(step.body[0])

    def why_inside(self, test: Any, setup: str) -> str:
        """Return what the expression uses that a judge beside the program has not."""
        from iterpref_core.execution.kinds.outside import why_inside

        return why_inside(test.call, setup=setup)

    def run(self, body: Body, child: Child) -> Report:
        """Return the report of the value."""
        return _computed(body, lambda source: eval(_expression(source), child.namespace))

    def judge(self, body: Body, judge: Judge) -> Report:
        """Return the report of the value, which the judge computes with what the program returns."""
        namespace = judge.names()

        def evaluate(source: str) -> Any:
            code = compiled(source, TEST, "eval")
            judge.fill(namespace, code)
            return eval(code, namespace)

        return _computed(body, evaluate)


class Value(Call):
    """The kind of `ValueTest`; the program's comparator compares the value."""

    name = "value"

    def step(self, test: Any, compared: "Expected | None") -> Step:
        """Return the step of a test."""
        body = body_of(test.function, tuple(test.arguments), test.then, lenient=True)
        return Step(self, body, lambda: str(test.call), compared)

    def needs_judge(self, step: Step) -> bool:
        """Return False: nothing is computed with the value."""
        del step
        return False

    def why_inside(self, test: Any, setup: str) -> str:
        """Return "": nothing is computed with the value."""
        del test, setup
        return ""


class ComparedCall(Call):
    """The call in an assertion, whose value is compared by Python's `==`: `True` equals `1` here, unlike in `io`."""

    is_told_by_call = False

    def failing_call(self, step: Step, facts: dict[str, Any]) -> str:
        """Return the call itself."""
        del facts
        return step.source


def _computed(body: Body, evaluate: Callable[[str], Any]) -> Report:
    expression, arguments, then, lenient = body
    value = evaluate(expression)
    if arguments is not None:
        value = value(*arguments)
    if then:
        value = evaluate(then)(value)
    return returned(value, lenient=lenient)


@functools.lru_cache(maxsize=8)
def _expression(source: str) -> types.CodeType:
    return compile(source, TEST, "eval")
