"""Run test files with pytest.

A file passes if at least one test ran, every test that pytest collected ran to its end without failing, and the program
did not skip a test.
"""

import contextlib
import importlib
import os
import unittest
from typing import Any

from ...protocol.steps import SandboxStep
from ...solution.loading import line_in, write_files
from ..reports import TestFailedError, tellers
from .modules import forget

# Plugins that only print, or write files and reports
_ABSENT = "cacheprovider doctest faulthandler pastebin setuponly setupplan stepwise terminal threadexception"
_OPTIONS = ["-c", os.devnull, "--capture=sys", "--noconftest", "--import-mode=importlib"]
_OPTIONS += [option for name in _ABSENT.split() for option in ("-p", f"no:{name}")]
_prepared: list[Any] = []
"""An open session of pytest for the first test file of this process, or an empty list."""


class _Outcomes:
    """A pytest plugin that records the outcomes of tests.

    Args:
        solution: path of the program; a skip that is raised there fails the test.
        test: path of the file.
    """

    def __init__(self, solution: str, test: str) -> None:
        self.ran = 0
        self.failed: list[BaseException] = []
        self.over: set[str] = set()
        self._solution = solution
        self._test = test

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        tellers[0](nodeid.partition("::")[2])

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        if call.excinfo is None:
            return
        outcomes = importlib.import_module("_pytest.outcomes")
        if isinstance(call.excinfo.value, outcomes.OutcomeException | unittest.SkipTest):
            if line_in(call.excinfo.value, self._solution) is not None:
                self.failed.append(TestFailedError(f"{item.name}: the program skipped the test"))

    def pytest_runtest_logreport(self, report: Any) -> None:
        # `test_solution.py::TestSum::test_two`
        name = report.nodeid.partition("::")[2]
        # A test that was expected to fail, and passed, has a text and no exception.
        if report.failed and isinstance(report.longrepr, str):
            self.failed.append(TestFailedError(f"{name}: {report.longrepr}"))
        # `pytest.exit` ends a test without teardown.
        if report.when == "teardown":
            self.over.add(name)
        if report.when == "call" and (report.passed or hasattr(report, "wasxfail")):
            self.ran += 1

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        if self.failed:
            return
        error = call.excinfo.value
        name = node.nodeid.partition("::")[2]
        if name:
            # A subtest's head line ends with its values, such as `test_pop (k=3)`.
            name += report.head_line.removeprefix(report.location[2])
            error = TestFailedError(name=name, error=error, test=self._test)
        elif error.__cause__ and type(error).__name__ == "CollectError":
            # An import in the file raised.
            error = error.__cause__
        self.failed.append(error)


def prepare_pytest(path: str) -> None:
    """Open a session of pytest for a file that does not exist yet; a zygote does this once for all its children.

    Where pytest is not installed, tests that need it fail later.
    """
    with contextlib.suppress(ImportError):
        pytest = importlib.import_module("pytest")
        # First in line: pytest replaces `unittest.SkipTest` by an exception that has no lines of the program.
        pytest.hookimpl(tryfirst=True)(_Outcomes.pytest_runtest_makereport)
        _prepared.append(_session(path))


def _session(path: str) -> Any:
    """Return an open session without collected tests."""
    # A program may have set options.
    os.environ.update(PYTEST_ADDOPTS="", PYTEST_PLUGINS="", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    configuration: Any = importlib.import_module("_pytest.config")
    folder = os.path.dirname(path)
    arguments = [*_OPTIONS, f"--rootdir={folder}", f"--confcutdir={folder}", path]
    config = configuration._prepareconfig(arguments)  # noqa: SLF001 - `pytest.main` does all steps at once
    config._do_configure()  # noqa: SLF001
    session = importlib.import_module("pytest").Session.from_config(config)
    config.hook.pytest_sessionstart(session=session)
    return session


def run_pytest_file(step: SandboxStep, path: str, solution: str, names: dict[str, Any]) -> None:
    """Run a file of tests by pytest.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    del names
    write_files({path: step.source})
    # pytest would use the module of an earlier test file, which has the same name.
    forget(["test_solution"])
    # A session serves one file. A second file of the same program opens a new session, which costs 25 ms.
    session = _prepared.pop() if _prepared else _session(path)
    outcomes = _Outcomes(solution, path)
    session.config.pluginmanager.register(outcomes)
    session.config.hook.pytest_collection(session=session)
    # pytest has imported the file by now.
    found = {item.nodeid.partition("::")[2] for item in session.items}
    if not outcomes.failed:
        session.config.hook.pytest_runtestloop(session=session)
    if outcomes.failed:
        raise outcomes.failed[0]
    if not outcomes.ran:
        raise TestFailedError("all tests were skipped, or none ran")
    # For example the program called `pytest.exit`.
    if left := sorted(found - outcomes.over):
        raise TestFailedError(f"{left[0]} did not run to its end")
