"""Run pytest's files.

Such a test has passed when at least one test ran, each test that pytest has found is over and has not failed, and none
was skipped but by the file itself.
"""

import contextlib
import importlib
import os
import unittest
from typing import Any

from ...protocol.steps import RunStep
from ...solution.loading import line_in, write_files
from ..reports import TestFailedError
from .modules import forget

_ABSENT = "cacheprovider doctest faulthandler junitxml pastebin setuponly setupplan stepwise terminal threadexception"
_OPTIONS = ["--capture=sys", "--noconftest", "--import-mode=importlib"]
_OPTIONS += [option for name in _ABSENT.split() for option in ("-p", f"no:{name}")]
_prepared: list[Any] = []
"""A session of pytest, for the first file of tests of this process; empty if there is none."""


class _Outcomes:
    """A plugin of pytest that keeps the outcomes of its tests.

    Args:
        solution: path of the program: a test that is skipped in there has been skipped by the program.
    """

    def __init__(self, solution: str) -> None:
        self.ran = 0
        self.failed: list[BaseException] = []
        self.over: set[str] = set()
        self._solution = solution

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
        if report.failed and isinstance(report.longrepr, str):  # no exception: a test that was expected to fail passed
            self.failed.append(TestFailedError(f"{name}: {report.longrepr}"))
        if report.when == "teardown":  # `pytest.exit` ends a test before
            self.over.add(name)
        if report.when == "call" and (report.passed or hasattr(report, "wasxfail")):
            self.ran += 1

    def pytest_exception_interact(self, node: Any, call: Any) -> None:
        error = call.excinfo.value
        name = node.nodeid.partition("::")[2]
        if name:
            error = TestFailedError(name=name, error=error)
        elif error.__cause__ and type(error).__name__ == "CollectError":
            error = error.__cause__  # an import in the file raised
        self.failed.append(error)


def prepare_pytest(path: str) -> None:
    """Open a session of pytest for a file that is not there yet: a zygote does that once for all of its children.

    Without pytest, nothing happens: tests that need it fail by themselves.
    """
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with contextlib.suppress(ImportError):
        importlib.import_module("pytest")
        # Before pytest itself makes a skip of its own of `unittest.SkipTest`, without the lines of the program.
        importlib.import_module("pytest").hookimpl(tryfirst=True)(_Outcomes.pytest_runtest_makereport)
        _prepared.append(_session(path))


def _session(path: str) -> Any:
    """Return an open session, in which nothing was collected yet."""
    configuration: Any = importlib.import_module("_pytest.config")
    arguments = [*_OPTIONS, f"--rootdir={os.path.dirname(path)}", path]
    config = configuration._prepareconfig(arguments)  # noqa: SLF001 - `pytest.main` cannot stop between its steps
    config._do_configure()  # noqa: SLF001
    session = importlib.import_module("pytest").Session.from_config(config)
    config.hook.pytest_sessionstart(session=session)
    return session


def run_pytest_file(step: RunStep, path: str, solution: str, names: dict[str, Any]) -> None:
    """Run a file of tests by pytest.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    del names  # pytest makes the module of its file
    write_files({path: step.source})
    # pytest takes a module that is loaded for the file of that name, and would run an earlier test once more.
    forget(["test_solution"])
    session = _prepared.pop() if _prepared else _session(path)
    outcomes = _Outcomes(solution)
    session.config.pluginmanager.register(outcomes)
    session.config.hook.pytest_collection(session=session)
    found = {item.nodeid.partition("::")[2] for item in session.items}
    if not outcomes.failed:
        session.config.hook.pytest_runtestloop(session=session)
    if outcomes.failed:
        raise outcomes.failed[0]
    if not outcomes.ran:
        raise TestFailedError("all tests were skipped, or none ran")
    if left := sorted(found - outcomes.over):
        raise TestFailedError(f"{left[0]} did not run to its end")
