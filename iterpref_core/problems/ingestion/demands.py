r"""Keep the tests that a program must do something to pass.

Sets have tests that every program passes: `assert True`, calls whose result is not looked at, `assert f(2) or True`. A
stub shows them: each function that the tests ask for takes anything and returns None, each class takes anything and has
these methods, and a script is empty.
"""

import re
from collections.abc import Callable

from iterpref_core.execution import UNFIT
from iterpref_core.programs.source_code.tested_names import tested_names
from iterpref_core.records import IoTest, StdinTest, Test

from .columns import LeftOutError
from .problem_rows import PublishedProblem
from .trials import Run

DEMANDS_NOTHING = "demands_nothing"
"""The reason for tests that are left out, and for problems without another one."""
_FUNCTION = "def {name}(*given, **named): return None\n"
_CLASS = """\
class {name}:
    def __init__(self, *given, **named): return None
    def __getattr__(self, name): return lambda *given, **named: None
"""


def demanding_places(row: PublishedProblem, run: Run) -> list[int]:
    """Return the places of the tests that a stub fails, among all tests of a problem.

    Args:
        row: the problem.
        run: runs programs.

    Raises:
        LeftOutError: there are none; or the tests cannot run, and a right program that shows otherwise is missing.
        ExecutionError: the engine failed.
    """
    tests = row.problem.tests + row.problem.hidden_tests
    passes = _stub_runner(row, run)
    # A call of the stub returns None, as one call shows for all: calls that expect another value fail.
    calls = [test for test in tests if isinstance(test, IoTest)]
    calls_return_none = bool(calls) and passes(calls[0].model_copy(update={"expected": "None"}))

    def demands(test: Test) -> bool:
        if isinstance(test, IoTest) and calls_return_none:
            return test.expected != "None"
        if isinstance(test, StdinTest) and test.checker is None:
            # An empty script has an empty output.
            return bool(test.output.strip())
        return not passes(test)

    places = [place for place, test in enumerate(tests) if demands(test)]
    if not places:
        raise LeftOutError(
            DEMANDS_NOTHING, "an empty program passes its tests; a test needs an output, or `assert` with a result"
        )
    return places


def _stub_runner(row: PublishedProblem, run: Run) -> Callable[[Test], bool]:
    """Return a function that runs the stub of a problem with a test, and returns True if the stub passes."""
    problem = row.problem
    # `Solution().add` is called of the class `Solution`.
    called = re.findall(r"^\w+", problem.entry_point)
    # Calls ask for the problem's entry point.
    tests = [test for test in problem.tests + problem.hidden_tests if not isinstance(test, IoTest)]
    classes = re.findall(r"^class (\w+)", "".join(row.right[:1]), re.MULTILINE)
    stub = ""
    for name in dict.fromkeys([*called, *tested_names(tests)]):
        is_class = name in classes or name[:1].isupper()
        stub += (_CLASS if is_class else _FUNCTION).format(name=name)

    def passes(test: Test) -> bool:
        outcome = run(problem.model_copy(update={"tests": (test,), "hidden_tests": ()}))(stub)
        # The stub is Python without imports: the setup is at fault, or a package of the tests is missing.
        if outcome.exception == UNFIT:
            return True
        unfit = outcome.verdict == "infra_error" or outcome.exception in {"SyntaxError", "ModuleNotFoundError"}
        if unfit and not row.right:
            raise LeftOutError("tests_not_run", outcome.feedback)
        return outcome.verdict == "passed"

    return passes
