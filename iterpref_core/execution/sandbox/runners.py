"""Runners: tests as Python's own runners run them, in the judge or, where a test has to be, beside the program.

A test has passed when its runner says that at least one test ran, none failed, and not all were skipped.
"""

import contextlib
import os
import sys
import types
import unittest
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .loading import text_of

TEST = "<test>"


class TestFailedError(Exception):
    """A test that ran and did not pass; the message says which and why.

    Args:
        message: for people.
        raised: name of the type that it raised, if it was no assertion that failed.
    """

    def __init__(self, message: str, raised: str = "") -> None:
        super().__init__(message)
        self.raised = raised


class NotCompiledError(Exception):
    """A test that is no Python."""


def compiled(
    source: str, filename: str, mode: str = "exec", make: Callable[[str, str], types.CodeType] | None = None
) -> types.CodeType:
    """Return the code of a test.

    Args:
        source: of the test.
        filename: that its errors name.
        mode: `exec` or `eval`.
        make: compiles in the place of Python's own function.

    Raises:
        NotCompiledError: it is no Python.
    """
    try:
        return make(source, filename) if make else compile(source, filename, mode, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        # `invalid syntax (<test>, line 2)` names the file, which nobody else sees.
        reason = text_of(error).partition(" (")[0]
        line = ""
        if isinstance(error, SyntaxError) and error.lineno:
            line = f", line {error.lineno}"
        raise NotCompiledError(f"{type(error).__name__}: {reason}{line}") from None


class _Recorder:
    """All results of `unittest` that were made, and the exceptions raised in them."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.raised: list[tuple[Any, BaseException]] = []

    def ran(self) -> bool:
        return any(result.testsRun for result in self.results)


@contextlib.contextmanager
def _recorded() -> Iterator[_Recorder]:
    """Record the outcomes of all results of `unittest`, those that a test makes itself too."""
    recorder = _Recorder()
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


def _judge(recorder: _Recorder) -> None:
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


def _run_cases(module: types.ModuleType) -> None:
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
    with _recorded() as recorder:
        _run_as_main(code, namespace)
        if not recorder.ran():
            module = types.ModuleType(str(namespace.get("__name__")))
            for name, value in namespace.items():
                if known.get(name) != id(value):
                    setattr(module, name, value)
            _run_cases(module)
        _judge(recorder)


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


def run_script(code: types.CodeType, namespace: dict[str, Any]) -> bool:
    """Run a script as `__main__`; classes of tests that it defines and does not run are run.

    Returns:
        Whether cases of tests were counted.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    with _recorded() as recorder:
        exited: Any = None
        try:
            exec(code, namespace)
        except SystemExit as error:
            if "_iterpref" in error.__dict__:
                raise
            exited = error.code
        if not recorder.ran() and has_cases(namespace):
            _run_cases(sys.modules["__main__"])
        if recorder.results or has_cases(namespace):
            _judge(recorder)
        if exited not in (None, 0, False):
            raise TestFailedError(f"the test script exited with status {exited!r}")
        return recorder.ran()


def modules_of(files: Iterable[str]) -> set[str]:
    """Return the names that files are imported by.

    >>> sorted(modules_of(["t.py", "lib/__init__.py", "lib/sums.py", "data.txt"]))
    ['lib', 'lib.sums', 't']
    """
    modules = set()
    for name in files:
        if name.endswith(".py"):
            modules.add(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    return modules


def forget(modules: Iterable[str]) -> None:
    """Have modules imported anew: an earlier test of the program may have brought its own of the same names."""
    for name in modules:
        sys.modules.pop(name, None)


class _Reports:
    """A plugin of pytest that keeps the outcomes of its reports."""

    def __init__(self) -> None:
        self.ran = 0
        self.failed: list[tuple[str, str]] = []
        self.raised: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            # `test_solution.py::TestSum::test_two`
            _, _, name = report.nodeid.partition("::")
            self.failed.append((name, _crash(report)))
            return
        as_expected = report.passed or hasattr(report, "wasxfail")
        if report.when == "call" and as_expected:
            self.ran += 1

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(("", _crash(report)))

    def pytest_exception_interact(self, call: Any) -> None:
        self.raised.append(call.excinfo.typename)
        self.error = call.excinfo.value


def _crash(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr)


PYTEST = (
    "-q", "--capture=sys", "--noconftest", "--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:faulthandler",
)  # fmt: skip


_NO_TESTS = 5
"""Exit status of pytest that has found no tests."""


def run_pytest(path: str) -> None:
    """Run a file of tests by pytest.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    import pytest

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    reports = _Reports()
    # pytest takes a module that is loaded for the file of that name, and would run an earlier test once more.
    forget(modules_of([os.path.basename(path)]))
    status = pytest.main([*PYTEST, f"--rootdir={os.path.dirname(path)}", path], plugins=[reports])
    if reports.failed:
        name, message = reports.failed[0]
        error = getattr(reports, "error", None)
        # Without a name it is the file that has failed, not a test: an import of it raised.
        if not name and isinstance(error, Exception):
            raise error
        raised = reports.raised[0] if reports.raised else ""
        if raised in ("AssertionError", "Failed"):
            raised = ""
        raise TestFailedError(f"{name}: {message}" if name else message, raised)
    if status not in (0, _NO_TESTS):
        raise TestFailedError(f"pytest ended with {status!r}")
    if status == _NO_TESTS or not reports.ran:
        raise TestFailedError("all tests were skipped, or none ran")
