"""The runner of `unittest` classes, for tests of that kind and for scripts.

Such a test has passed when at least one case ran, each case that there is has passed, and none was skipped but by the
test itself.
"""

import contextlib
import sys
import unittest
from collections.abc import Callable, Iterator
from types import CodeType, ModuleType
from typing import Any

from ...protocol.steps import RunStep
from ...solution.loading import line_in, text_of, write_files
from ..reports import TestFailedError, compiled
from .places import Places

_RECORDED = ("__init__", "addFailure", "addError", "addSubTest", "addSkip", "addSuccess", "addExpectedFailure")


def run_unittest(step: RunStep, places: Places, names: dict[str, Any]) -> None:
    """Run the classes of a test.

    Raises:
        TestFailedError: a case failed, or none ran.
    """
    write_files({places.test: step.source})
    names.setdefault("unittest", unittest)
    run_as_main(compiled(step.source, places.test), names, places.solution, has_cases=True)


class Recorder:
    """The results of `unittest` that were made, and the events reported to them.

    Args:
        solution: path of the program: a case that is skipped in there has been skipped by the program.
    """

    def __init__(self, solution: str) -> None:
        self.results: list[Any] = []
        self.failed: list[tuple[str, BaseException]] = []
        self.over: set[str] = set()
        self.skipped: set[str] = set()
        self._solution = solution

    def note(self, name: str, result: Any, args: Any) -> None:
        """Note a call of a method of a result."""
        if name == "__init__":
            self.results.append(result)
            return
        case = getattr(args[0], "test_case", args[0]).id()  # of a subtest: that of its test
        if name == "addSkip":
            error = sys.exc_info()[1]
            if error is not None and line_in(error, self._solution) is not None:
                self.failed.append((case, TestFailedError("the program skipped the test")))
            self.skipped.add(case)
        elif name in ("addSuccess", "addExpectedFailure"):
            self.over.add(case)
        elif args[-1] is not None:  # else a subtest that has passed
            self.failed.append((args[0].id(), args[-1][1]))

    def ran(self) -> int:
        """Return how many cases ran."""
        return sum(result.testsRun for result in self.results)


@contextlib.contextmanager
def recorded(solution: str) -> Iterator[Recorder]:
    """Record the outcomes of all results of `unittest`, those that a test makes itself too."""
    recorder = Recorder(solution)
    own = {name: getattr(unittest.TestResult, name) for name in _RECORDED}

    def recording(name: str) -> Callable[..., None]:
        def method(result: Any, *args: Any, **named: Any) -> None:
            recorder.note(name, result, args)
            own[name](result, *args, **named)

        return method

    for name in _RECORDED:
        setattr(unittest.TestResult, name, recording(name))
    try:
        yield recorder
    finally:
        for name, method in own.items():
            setattr(unittest.TestResult, name, method)


def _rule_on(recorder: Recorder) -> None:
    """Raise unless at least one case ran, none failed, and not all were skipped.

    Raises:
        TestFailedError: as it says.
    """
    if recorder.failed:
        case, error = recorder.failed[0]
        kind = type(error)
        first_line = text_of(error).partition("\n")[0]
        raised = "" if issubclass(kind, AssertionError | TestFailedError) else kind.__name__
        raise TestFailedError(f"{case.rsplit('.', 1)[-1]}: {kind.__name__}: {first_line}", raised)
    if any(not result.wasSuccessful() for result in recorder.results):
        raise TestFailedError("a test that was expected to fail passed")
    ran = recorder.ran()
    if not ran:
        raise TestFailedError("no test ran")
    if len(recorder.skipped) >= ran:
        raise TestFailedError("all tests were skipped")


def _cases(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from _cases(each)
        else:
            yield each


def _written(module: ModuleType) -> set[tuple[type, str]]:
    """Return the classes of a module's tests with the names of their methods; a loader may know others."""
    classes = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, unittest.TestCase)]
    return {
        (kind, name)
        for kind in classes
        for name in dir(kind)
        if name.startswith("test") and callable(getattr(kind, name))
    }


def _run_all(module: ModuleType, recorder: Recorder) -> None:
    """Run the classes of a module, and see that each of their cases has run as it was written.

    Raises:
        TestFailedError: the program has left a case out, or put another in its place.
    """
    suite = unittest.TestLoader().loadTestsFromModule(module)
    methods = {case.id(): (type(case), case._testMethodName) for case in _cases(suite)}  # noqa: SLF001
    before = {name: getattr(*place) for name, place in methods.items()}
    if "load_tests" not in vars(module) and (left := _written(module) - set(methods.values())):
        raise TestFailedError(f"{min(name for _, name in left)} was left out")
    suite.run(unittest.TestResult())
    failed = {case for case, _ in recorder.failed}
    for name, place in methods.items():
        is_over = name in recorder.over | recorder.skipped
        if not failed and (not is_over or getattr(*place, None) is not before[name]):
            raise TestFailedError(f"{name.rsplit('.', 1)[-1]} did not run to its end as it was written")


def run_as_main(code: CodeType, names: dict[str, Any], solution: str, *, has_cases: bool = False) -> None:
    """Run a test's source, and the classes of `unittest` that it defines and does not run.

    Args:
        code: of the source.
        names: names that are there are the solution's: its own classes of tests are not these tests.
        solution: path of the program.
        has_cases: a source without such classes fails.

    Raises:
        TestFailedError: a case failed, none ran, or the source exits with a status that is not 0.
    """
    known = {name: id(value) for name, value in names.items()}
    exited: Any = None
    with recorded(solution) as recorder:
        try:
            exec(code, names)
        except SystemExit as error:
            if line_in(error, solution) is not None:
                raise  # the program has left, in the midst of the test
            exited = error.code
        module = ModuleType(str(names.get("__name__")))
        vars(module).update({name: value for name, value in names.items() if known.get(name) != id(value)})
        if any(isinstance(value, type) and issubclass(value, unittest.TestCase) for value in vars(module).values()):
            has_cases = True
            if not recorder.ran():
                _run_all(module, recorder)
    if has_cases or recorder.results:
        _rule_on(recorder)
    if exited not in (None, 0, False):
        raise TestFailedError(f"the test script exited with status {exited!r}")
