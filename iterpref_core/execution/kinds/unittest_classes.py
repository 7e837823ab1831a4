"""`unittest` tests: a source of classes that `unittest` runs, among the solution's names.

Such a test has passed when `unittest` says that at least one case ran, none failed, and not all were skipped.
"""

import contextlib
import sys
import types
import unittest
from collections.abc import Callable, Iterator
from typing import Any

from ..solution.loading import text_of
from .kind import Child, Judge, Step
from .python_source import PythonSource
from .reports import PASSED, PASSED_ANYWAY, TEST, Report, TestFailedError, compiled


class UnittestClasses(PythonSource):
    """The kind `unittest`. The body is the source."""

    name = "unittest"

    def place(self, step: Step) -> str:
        """Return the name of all cases."""
        del step
        return "the unit tests"

    def run(self, body: Any, child: Child) -> Report:
        """Run the classes among the solution's names."""
        child.namespace.setdefault("unittest", unittest)
        run_as_main(compiled(body, TEST), child.namespace, has_cases=True)
        return PASSED

    def judge(self, body: Any, judge: Judge) -> Report:
        """Run the classes in a module of their own, which is also found as `test_solution`."""
        code = compiled(body, TEST)
        namespace = judge.namespace("__main__")
        namespace["__name__"] = "test_solution"
        sys.modules["test_solution"] = sys.modules["__main__"]
        namespace["unittest"] = unittest
        judge.fill(namespace, code)
        run_as_main(code, namespace, has_cases=True)
        return PASSED


class Recorder:
    """All results of `unittest` that were made, and the exceptions raised in them."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.raised: list[tuple[Any, BaseException]] = []

    def ran(self) -> int:
        """Return how many tests ran."""
        return sum(result.testsRun for result in self.results)


@contextlib.contextmanager
def recorded() -> Iterator[Recorder]:
    """Record the outcomes of all results of `unittest`, those that a test makes itself too."""
    recorder = Recorder()
    names = ("__init__", "addFailure", "addError", "addSubTest")
    own = {name: getattr(unittest.TestResult, name) for name in names}

    def recording(name: str) -> Callable[..., None]:
        def method(result: Any, *args: Any, **named: Any) -> None:
            if name == "__init__":
                recorder.results.append(result)
            elif args[-1] is not None:  # a subtest that has passed
                recorder.raised.append((args[0], args[-1][1]))
            own[name](result, *args, **named)

        return method

    for name in names:
        setattr(unittest.TestResult, name, recording(name))
    try:
        yield recorder
    finally:
        for name, method in own.items():
            setattr(unittest.TestResult, name, method)


def rule_on(recorder: Recorder) -> None:
    """Raise unless at least one test ran, none failed, and not all were skipped.

    Raises:
        TestFailedError: as it says.
    """
    if recorder.raised:
        lies = [raised for raised in recorder.raised if type(raised[1]).__name__ == PASSED_ANYWAY]
        test, error = (lies or recorder.raised)[0]
        kind = type(error)
        name = test.id().rsplit(".", 1)[-1]
        first_line = text_of(error).partition("\n")[0]
        raised = "" if issubclass(kind, AssertionError) else kind.__name__
        raise TestFailedError(f"{name}: {kind.__name__}: {first_line}", raised)
    if any(not result.wasSuccessful() for result in recorder.results):
        raise TestFailedError("a test that was expected to fail passed")
    ran = recorder.ran()
    if not ran:
        raise TestFailedError("no test ran")
    # A test that skips more than one of its subtests is skipped once.
    skipped: set[tuple[int, int]] = set()
    for result in recorder.results:
        skipped.update((id(result), id(test)) for test, _ in result.skipped)
    if len(skipped) >= ran:
        raise TestFailedError("all tests were skipped")


def run_as_main(code: types.CodeType, namespace: dict[str, Any], *, has_cases: bool = False) -> int:
    """Run a test's source, and the classes of `unittest` that it defines and does not run; return how many cases ran.

    Args:
        code: of the source.
        namespace: names that are there are the solution's: its own classes of tests are not these tests.
        has_cases: a source without such classes fails.

    Raises:
        TestFailedError: a test failed, none ran, or the source exits with a status that is not 0.
    """
    known = {name: id(value) for name, value in namespace.items()}
    exited: Any = None
    with recorded() as recorder:
        try:
            exec(code, namespace)
        except SystemExit as error:
            if "_iterpref" in error.__dict__:
                raise
            exited = error.code
        module = types.ModuleType(str(namespace.get("__name__")))
        vars(module).update({name: value for name, value in namespace.items() if known.get(name) != id(value)})
        if any(isinstance(value, type) and issubclass(value, unittest.TestCase) for value in vars(module).values()):
            has_cases = True
            if not recorder.ran():
                unittest.TestLoader().loadTestsFromModule(module).run(unittest.TestResult())
    if has_cases or recorder.results:
        rule_on(recorder)
    if exited not in (None, 0, False):
        raise TestFailedError(f"the test script exited with status {exited!r}")
    return recorder.ran()
