"""`unittest` tests: a source of classes that `unittest` runs, among the solution's names.

Such a test has passed when `unittest` says that at least one case ran, none failed, and not all were skipped.
"""

import contextlib
import sys
import types
import unittest
from collections.abc import Iterator
from typing import Any

from ..solution.loading import text_of
from .kind import Child, Judge, Step
from .python_source import PythonSource
from .reports import PASSED, TEST, Report, TestFailedError, compiled


class UnittestClasses(PythonSource):
    """The kind `unittest`. The body is the source."""

    name = "unittest"

    def place(self, step: Step) -> str:
        """Return the name of all cases."""
        del step
        return "the unit tests"

    def run(self, body: Any, child: Child) -> Report:
        """Run the classes among the solution's names."""
        run_unittest(compiled(body, TEST), child.namespace)
        return PASSED

    def judge(self, body: Any, judge: Judge) -> Report:
        """Run the classes in a module of their own, which is also found as `test_solution`."""
        code = compiled(body, TEST)
        namespace = judge.namespace("__main__")
        namespace["__name__"] = "test_solution"
        sys.modules["test_solution"] = sys.modules["__main__"]
        judge.session.peer.objects.test_modules.add("test_solution")
        judge.session.fill(namespace, code)
        run_unittest(code, namespace)
        return PASSED

    def sources_with_names(self, body: Any) -> Iterator[tuple[str, str]]:
        """Yield the source."""
        yield body, "exec"


class Recorder:
    """All results of `unittest` that were made, and the exceptions raised in them."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.raised: list[tuple[Any, BaseException]] = []

    def ran(self) -> bool:
        """Tell whether a test ran."""
        return any(result.testsRun for result in self.results)


@contextlib.contextmanager
def recorded() -> Iterator[Recorder]:
    """Record the outcomes of all results of `unittest`, those that a test makes itself too."""
    recorder = Recorder()
    kind = unittest.TestResult
    begin = kind.__init__
    failure = kind.addFailure
    error = kind.addError
    subtest = kind.addSubTest

    def init(self: Any, *args: Any, **named: Any) -> None:
        begin(self, *args, **named)
        recorder.results.append(self)

    def add_failure(self: Any, test: Any, err: Any) -> None:
        recorder.raised.append((test, err[1]))
        failure(self, test, err)

    def add_error(self: Any, test: Any, err: Any) -> None:
        recorder.raised.append((test, err[1]))
        error(self, test, err)

    def add_subtest(self: Any, test: Any, sub: Any, err: Any) -> None:
        if err is not None:
            recorder.raised.append((test, err[1]))
        subtest(self, test, sub, err)

    hooks = {"__init__": init, "addFailure": add_failure, "addError": add_error, "addSubTest": add_subtest}
    for name, hook in hooks.items():
        setattr(kind, name, hook)
    try:
        yield recorder
    finally:
        for name, own in zip(hooks, (begin, failure, error, subtest), strict=True):
            setattr(kind, name, own)


def rule_on(recorder: Recorder) -> None:
    """Raise unless at least one test ran, none failed, and not all were skipped.

    Raises:
        TestFailedError: as it says.
    """
    if recorder.raised:
        test, error = recorder.raised[0]
        kind = type(error)
        name = test.id().rsplit(".", 1)[-1]
        first_line = text_of(error).partition("\n")[0]
        raised = "" if issubclass(kind, AssertionError) else kind.__name__
        raise TestFailedError(f"{name}: {kind.__name__}: {first_line}", raised)
    if any(not result.wasSuccessful() for result in recorder.results):
        raise TestFailedError("a test that was expected to fail passed")
    ran = sum(result.testsRun for result in recorder.results)
    if not ran:
        raise TestFailedError("no test ran")
    # A test that skips more than one of its subtests is skipped once.
    skipped: set[tuple[int, int]] = set()
    for result in recorder.results:
        skipped.update((id(result), id(test)) for test, _ in result.skipped)
    if len(skipped) >= ran:
        raise TestFailedError("all tests were skipped")


def run_cases(module: types.ModuleType) -> None:
    """Run the tests that `unittest` finds in a module."""
    suite = unittest.TestLoader().loadTestsFromModule(module)
    suite.run(unittest.TestResult())


def has_cases(names: dict[str, Any]) -> bool:
    """Tell whether there are classes of tests among some names."""
    return any(isinstance(value, type) and issubclass(value, unittest.TestCase) for value in names.values())


def run_unittest(code: types.CodeType, namespace: dict[str, Any]) -> None:
    """Run a source of `unittest` classes; where it runs them itself, that counts.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    # Names that were there before are the solution's: its own classes of tests are not these tests.
    known = {name: id(value) for name, value in namespace.items()}
    namespace.setdefault("unittest", unittest)
    with recorded() as recorder:
        _run_as_main(code, namespace)
        if not recorder.ran():
            module = types.ModuleType(str(namespace.get("__name__")))
            for name, value in namespace.items():
                if known.get(name) != id(value):
                    setattr(module, name, value)
            run_cases(module)
        rule_on(recorder)


def _run_as_main(code: types.CodeType, namespace: dict[str, Any]) -> None:
    """Run a test's source; it may end with an exit of its own.

    Raises:
        TestFailedError: it exits with a status that is not 0.
    """
    try:
        exec(code, namespace)
    except SystemExit as error:
        if "_iterpref" in error.__dict__:
            raise
        if error.code not in (None, 0, False):
            if error.code is True or error.code == 1:
                return  # `unittest.main`, whose results are known; without any, no test ran
            raise TestFailedError(f"the test script exited with status {error.code!r}") from None
