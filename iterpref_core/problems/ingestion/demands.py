r"""Keep the tests that a program must do something to pass.

Sets have tests that every program passes: `assert True`, calls whose result is not looked at, `assert f(2) or True`. A
program that does nothing shows them: its functions return None, and a script is empty.
"""

import re
from collections.abc import Callable

from iterpref_core.execution import IDLE_WALL_S, UNFIT, do_nothing
from iterpref_core.records import IoTest, StdinTest, Test

from .columns import DroppedError
from .problem_rows import PublishedProblem
from .trials import Run

DEMANDS_NOTHING = "demands_nothing"
"""The reason for tests that are left out, and for problems without another one."""


def demanding_places(row: PublishedProblem, run: Run) -> list[int]:
    """Return the places of the tests that a program which does nothing fails, among all tests of a problem.

    Args:
        row: the problem.
        run: runs programs.

    Raises:
        DroppedError: there are none; or the tests cannot run, and a right program that shows otherwise is missing.
        ExecutionError: the engine failed.
    """
    tests = row.problem.tests + row.problem.hidden_tests
    passes = _idle_runner(row, run)
    # A call of it returns None, as one call shows for all: calls that expect another value fail.
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
        raise DroppedError(
            DEMANDS_NOTHING, "an empty program passes its tests; a test needs an output, or `assert` with a result"
        )
    return places


def _idle_runner(row: PublishedProblem, run: Run) -> Callable[[Test], bool]:
    """Return a function that runs a program that does nothing with a test, and returns True if the program passes."""
    problem = row.problem
    # `Solution().add` is called of the class `Solution`.
    called = re.findall(r"^\w+", problem.entry_point)
    # Calls ask for the problem's entry point.
    tests = [test for test in problem.tests + problem.hidden_tests if not isinstance(test, IoTest)]
    idle = do_nothing(tests, None, called, "".join(row.right[:1]))

    def passes(test: Test) -> bool:
        alone = problem.model_copy(update={"tests": (test,), "hidden_tests": ()})
        outcome = run(alone, wall_s=IDLE_WALL_S)(idle)
        # This program is Python without imports: the setup is at fault, or a package of the tests is missing.
        if outcome.exception == UNFIT:
            return True
        unfit = outcome.verdict == "infra_error" or outcome.exception in {"SyntaxError", "ModuleNotFoundError"}
        if unfit and not row.right:
            raise DroppedError("tests_not_run", outcome.feedback)
        return outcome.verdict == "passed"

    return passes
