"""`assert` tests: statements that raise AssertionError where the program is wrong.

A judge runs them, but for `assert f(2) == 4`: that is a call, and the supervisor compares its value.
"""

import ast
import functools
from types import CodeType
from typing import Any

from .call import ComparedCall, body_of
from .kind import Child, Judge, Step
from .python_source import PythonSource
from .reports import PASSED, TEST, Report, compiled

_MAX_COMPARED = 100_000
"""Length of an assertion whose literal the supervisor compares: no text of an equal value is as long as
`canonical.MAX_TEXT`."""


class Assertion(PythonSource):
    """The kind `assert`. The body is the source."""

    name = "assert"

    def as_call(self, step: Step) -> Step | None:
        """Return the call in `assert f(2) == 4`."""
        return _compared_call(step.body)

    def run(self, body: Any, child: Child) -> Report:
        """Run the statements among the solution's names."""
        exec(compiled(body, TEST), child.namespace)
        return PASSED

    def judge(self, body: Any, judge: Judge) -> Report:
        """Run the statements."""

        def run(code: CodeType, namespace: dict[str, Any]) -> int:
            judge.fill(namespace, code)
            exec(code, namespace)
            return 0

        judge.run_counted(body, TEST, judge.names(), run)
        return PASSED


_COMPARED_CALL = ComparedCall()


@functools.lru_cache(maxsize=4096)
def _compared_call(source: str) -> Step | None:
    """Return the call in `assert f(2) == 4`, as a step whose value is compared out here; None for any other test."""
    from iterpref_core.execution.comparison.expectations import Expected
    from iterpref_core.execution.kinds.outside import is_plain_call
    from iterpref_core.programs.source_code.syntax_tree import parse

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
    return Step(_COMPARED_CALL, body_of(text), lambda: text, Expected(lambda actual: bool(actual == value), wanted))
