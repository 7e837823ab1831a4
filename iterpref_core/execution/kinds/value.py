"""Value tests: calls whose arguments are at hand as values; the program's comparator compares what they return."""

import functools
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .kind import Child, Judge, Kind, Step
from .reports import TEST, Report, compiled, returned

if TYPE_CHECKING:
    from ..comparison.expectations import Expected


class Value(Kind):
    """The kind of `ValueTest`. The body is the function, the arguments and the function of the result."""

    name = "value"
    returns = True
    is_told_by_call = True

    def step(self, test: Any, compared: "Expected | None") -> Step:
        """Return the step of a test."""
        body = (test.function, tuple(test.arguments), test.then)
        return Step(self, body, lambda: str(test.call), compared)

    def needs_judge(self, step: Step) -> bool:
        """Return False: nothing is computed with the value."""
        del step
        return False

    def run(self, body: Any, child: Child) -> Report:
        """Return the report of the value."""
        function, arguments, then = body
        value = eval(_expression(function), child.namespace)(*arguments)
        if then:
            value = eval(_expression(then), child.namespace)(value)
        return returned(value, lenient=True)

    def judge(self, body: Any, judge: Judge) -> Report:
        """Return the report of the value: other tests of the program need the judge."""
        _, arguments, then = body
        namespace = judge.names()
        codes = [compiled(source, TEST, mode) for source, mode in self.sources_with_names(body)]
        for code in codes:
            judge.session.fill(namespace, code)
        value = eval(codes[0], namespace)(*arguments)
        if then:
            value = eval(codes[1], namespace)(value)
        return returned(value, lenient=True)

    def sources_with_names(self, body: Any) -> Iterator[tuple[str, str]]:
        """Yield the functions' expressions."""
        function, _, then = body
        for source in (function, then):
            if source:
                yield source, "eval"


@functools.lru_cache(maxsize=8)
def _expression(source: str) -> types.CodeType:
    return compile(source, TEST, "eval")
