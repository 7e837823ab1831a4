"""Run the `unittest` classes of a module, and check that the program has not changed or skipped a case."""

import sys
import unittest
from collections.abc import Iterable
from typing import Any

from ...solution.loading import line_in
from ..reports import TestFailedError


class _Outcomes(unittest.TestResult):
    """Records the outcomes of cases.

    Args:
        solution: path of the program; a skip that is raised there fails the case.
    """

    def __init__(self, solution: str) -> None:
        super().__init__()
        self.failed: list[TestFailedError] = []
        self.passed: set[str] = set()
        self.left_out: set[str] = set()
        self._solution = solution

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802 - as `unittest` names them
        name = getattr(test, "_testMethodName", None) or str(test)
        self.failed.append(TestFailedError(name=name, error=err[1]))

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        self.addError(test, err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        if err is not None:
            name = f"{test._testMethodName} {subtest._subDescription()}"  # noqa: SLF001 - such as `test_pop (k=3)`
            self.failed.append(TestFailedError(name=name, error=err[1]))

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        del reason
        # `unittest` calls this method while it handles the exception, if there is one.
        error = sys.exc_info()[1]
        if error is not None and line_in(error, self._solution) is not None:
            self.failed.append(TestFailedError(f"{test.id().rpartition('.')[2]}: the program skipped the test"))
        self.left_out.add(test.id())

    def addSuccess(self, test: Any) -> None:  # noqa: N802
        self.passed.add(test.id())

    def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        del err
        self.passed.add(test.id())

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        self.failed.append(TestFailedError(f"{test.id().rpartition('.')[2]} was expected to fail, and passed"))


def run_cases(values: Iterable[Any], solution: str) -> int:
    """Run the cases of all test classes among some values; return the number of cases.

    Args:
        values: values of the names in a module.
        solution: path of the program.

    Raises:
        TestFailedError: a case failed, no case ran, or the program skipped or replaced a case.
    """
    tests = [kind for kind in values if isinstance(kind, type) and issubclass(kind, unittest.TestCase)]
    classes = dict.fromkeys(kind for kind in tests if kind.__module__ != unittest.TestCase.__module__)
    # The loader of `unittest` is not used, because a program may replace it.
    written = {
        (kind, name): getattr(kind, name)
        for kind in classes
        for name in sorted(dir(kind))
        if name.startswith("test") and callable(getattr(kind, name))
    }
    # `TestPop('test_empty')` is one case of the class.
    cases = {place: place[0](place[1]) for place in written}
    if classes and not cases:
        raise TestFailedError("no test ran")
    outcomes = _Outcomes(solution)
    unittest.TestSuite(cases.values()).run(outcomes)
    if outcomes.failed:
        raise outcomes.failed[0]
    if cases and len(outcomes.left_out) >= len(cases):
        raise TestFailedError("all tests were skipped")
    for (kind, name), case in cases.items():
        # A patched `TestCase.run` reports no success. A replaced method is no longer the one that was written.
        is_over = case.id() in outcomes.passed | outcomes.left_out
        if not is_over or getattr(kind, name, None) is not written[kind, name]:
            raise TestFailedError(f"{name} did not run to its end as it was written")
    return len(cases)
