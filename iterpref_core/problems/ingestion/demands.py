r"""Keep the tests that a program must do something to pass.

Sets have tests that every program passes: `assert True`, calls whose result is not looked at, `assert f(2) or True`. A
stub shows them: each function that the tests ask for takes anything and returns None, each class takes anything and has
these methods, and a script is empty.
"""

import re
from collections.abc import Callable

from iterpref_core.execution import UNFIT
from iterpref_core.problems.ingestion.columns import LeftOutError
from iterpref_core.problems.ingestion.trials import Run
from iterpref_core.programs.source_code.tested_names import tested_names
from iterpref_core.records import IoTest, Problem, StdinTest, Test

_FUNCTION = "def {name}(*given, **named): return None\n"
_CLASS = """\
class {name}:
    def __init__(self, *given, **named): return None
    def __getattr__(self, name): return lambda *given, **named: None
"""


def keep_demanding(problem: Problem, run: Run, visible: int | None) -> tuple[Problem, list[Test]]:
    """Return a problem without the tests that a stub passes, and these tests.

    Args:
        problem: the problem.
        run: runs programs.
        visible: number of tests to show; None: the tests that were shown, or else the first.

    Raises:
        LeftOutError: the tests cannot run, and a reference that shows otherwise is missing.
        ExecutionError: the engine failed.
    """
    tests = problem.tests + problem.hidden_tests
    passes = _stub_runner(problem, run)
    # A call of the stub returns None, as one run shows for all calls: calls that expect another value fail.
    calls = [test.model_copy(update={"expected": "None"}) for test in tests if isinstance(test, IoTest)]
    calls_return_none = bool(calls) and passes(*calls)

    def demands(test: Test) -> bool:
        if isinstance(test, IoTest) and calls_return_none:
            return test.expected != "None"
        if isinstance(test, StdinTest) and test.checker is None:
            # An empty script has an empty output.
            return bool(test.output.split())
        return not passes(test)

    kept = [place for place, test in enumerate(tests) if demands(test)]
    if visible is None:
        visible = max(1, sum(place < len(problem.tests) for place in kept))
    staying = tuple(tests[place] for place in kept)
    update = {"tests": staying[:visible], "hidden_tests": staying[visible:]}
    return problem.model_copy(update=update), [test for place, test in enumerate(tests) if place not in set(kept)]


def _stub_runner(problem: Problem, run: Run) -> Callable[..., bool]:
    """Return a function that runs the stub of a problem with some tests, and returns True if the stub passes."""
    # `Solution().add` is called of the class `Solution`.
    called = re.findall(r"^\w+", problem.entry_point)
    names = dict.fromkeys(called)
    for test in problem.tests + problem.hidden_tests:
        # Calls ask for the problem's entry point.
        names |= dict.fromkeys([] if isinstance(test, IoTest) else tested_names([test]))
    # The setup may have `math`, which the tests use as well.
    given = {*re.findall(r"\w+", problem.setup or "")} - {*called}
    classes = re.findall(r"^class (\w+)", problem.reference or "", re.MULTILINE)
    stub = ""
    for name in names:
        if name not in given:
            is_class = name in classes or name[:1].isupper()
            stub += (_CLASS if is_class else _FUNCTION).format(name=name)

    def passes(*tests: Test) -> bool:
        outcome = run(problem.model_copy(update={"tests": tests, "hidden_tests": ()}))(stub)
        # The stub is Python without imports: the setup is at fault, or a package of the tests is missing.
        if outcome.exception == UNFIT:
            return True
        unfit = outcome.verdict == "infra_error" or outcome.exception in {"SyntaxError", "ModuleNotFoundError"}
        if unfit and problem.reference is None:
            raise LeftOutError("tests_not_run", outcome.feedback)
        return outcome.verdict == "passed"

    return passes
