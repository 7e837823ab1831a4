"""`io` tests: an expression, mostly a call, whose value the supervisor compares with a literal.

`f([1, 2])` needs no judge. Of `f(2) == 4` and `sorted(f(2))` the program could decide the value: a judge computes them.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .kind import Child, Judge, Kind, Step
from .reports import TEST, Report, compiled, returned

if TYPE_CHECKING:
    from ..comparison.expectations import Expected


class Call(Kind):
    """The kind `io`. The body is the expression, and whether an object counts as the plain value that it holds."""

    name = "io"
    returns = True
    is_told_by_call = True

    def step(self, test: Any, compared: "Expected | None") -> Step:
        """Return the step of a test, with its expected value.

        Raises:
            RecordError: the expected value is not a literal.
        """
        from iterpref_core.errors import RecordError
        from iterpref_core.execution.comparison.expectations import expect

        del compared
        try:
            expected = expect(test.expected, test.atol, tuples_as_lists=bool(test.tuples_as_lists))
        except ValueError as error:
            raise RecordError(f"test {test.call!r}: field 'expected': {error}; write it as a Python literal") from None
        return Step(self, (test.call, test.atol is not None), lambda: str(test.call), expected)

    def needs_judge(self, step: Step) -> bool:
        """Tell whether something is computed with the value of a call."""
        from iterpref_core.execution.kinds.outside import is_plain_call

        source, _ = step.body
        return not is_plain_call(source)

    def why_inside(self, test: Any, setup: str) -> str:
        """Return what the expression uses that a judge beside the program has not."""
        from iterpref_core.execution.kinds.outside import why_inside

        return why_inside(test.call, setup=setup)

    def run(self, body: Any, child: Child) -> Report:
        """Return the report of the value."""
        source, lenient = body
        return returned(eval(compile(source, TEST, "eval"), child.namespace), lenient=lenient)

    def judge(self, body: Any, judge: Judge) -> Report:
        """Return the report of the value, which the judge computes with what the program returns."""
        source, lenient = body
        code = compiled(source, TEST, "eval")
        namespace = judge.names()
        judge.session.fill(namespace, code)
        return returned(eval(code, namespace), lenient=lenient)

    def sources_with_names(self, body: Any) -> Iterator[tuple[str, str]]:
        """Yield the expression."""
        source, _ = body
        yield source, "eval"
