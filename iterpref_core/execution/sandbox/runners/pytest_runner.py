"""The runner of pytest's files.

Such a test has passed when at least one test ran, each test that pytest has found is over and has not failed, and none
was skipped but by the file itself.
"""

import contextlib
import importlib
import io
import os
import unittest
from typing import Any

from ...protocol.steps import RunStep
from ...solution.loading import line_in, write_files
from ..reports import TestFailedError
from .places import Places
from .script_runner import forget

_OPTIONS = (
    "-q", "--capture=sys", "--noconftest", "--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:faulthandler",
)  # fmt: skip
_NO_TESTS = 5
"""Exit status of pytest that has found no tests."""


class _Reports:
    """A plugin of pytest that keeps the outcomes of its reports.

    Args:
        solution: path of the program: a test that is skipped in there has been skipped by the program.
    """

    def __init__(self, solution: str) -> None:
        self.ran = 0
        self.failed: list[tuple[str, str]] = []
        self.raised: list[str] = []
        self.found: set[str] = set()
        self.over: set[str] = set()
        self._solution = solution

    def pytest_collection_finish(self, session: Any) -> None:
        self.found = {item.nodeid for item in session.items}

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        if call.excinfo is None:
            return
        outcomes = importlib.import_module("_pytest.outcomes")
        if isinstance(call.excinfo.value, outcomes.OutcomeException | unittest.SkipTest):
            if line_in(call.excinfo.value, self._solution) is not None:
                self.failed.append((item.name, "the program skipped the test"))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            # `test_solution.py::TestSum::test_two`
            _, _, name = report.nodeid.partition("::")
            self.failed.append((name, _crash(report)))
            return
        if report.when == "teardown":  # `pytest.exit` ends a test before
            self.over.add(report.nodeid)
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


_IMPORTED_LATE = ("pdb", "readline")
"""Modules that pytest imports when a session begins."""
_prepared: list[Any] = []
"""A configuration of pytest, with its own plugins, for the next session of this process; empty if there is none."""


def prepare_pytest() -> None:
    """Import pytest and register its own plugins: a zygote does that once for all sessions of its children.

    Without pytest, nothing happens: tests that need it fail by themselves.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("pytest")
        for name in _IMPORTED_LATE:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        config = importlib.import_module("_pytest.config")
        with contextlib.suppress(AttributeError):  # a pytest that is made in another way
            _prepared.append(config.get_config(list(_OPTIONS)))


def _pytest_main(arguments: list[str], plugins: list[Any]) -> Any:
    """Return the exit status of `pytest.main`, which has no argument for a configuration that is there already."""
    import pathlib

    import pytest

    if not _prepared:
        return pytest.main(arguments, plugins=plugins)
    config: Any = importlib.import_module("_pytest.config")
    make = config.get_config

    def get_prepared(args: Any, plugins: Any, **_: Any) -> Any:
        config.get_config = make
        prepared = _prepared.pop()
        prepared.invocation_params = config.Config.InvocationParams(args=args, plugins=plugins, dir=pathlib.Path.cwd())
        return prepared

    config.get_config = get_prepared
    return pytest.main(arguments, plugins=plugins)


def run_pytest_file(step: RunStep, places: Places, names: dict[str, Any]) -> None:
    """Run a file of tests by pytest.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    del names  # pytest makes the module of its file
    write_files({places.test: step.source})
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # Before pytest itself makes a skip of its own of `unittest.SkipTest`, which has no line of the program any more.
    importlib.import_module("pytest").hookimpl(tryfirst=True)(_Reports.pytest_runtest_makereport)
    reports = _Reports(places.solution)
    # pytest takes a module that is loaded for the file of that name, and would run an earlier test once more.
    forget(["test_solution"])
    with contextlib.redirect_stdout(io.StringIO()) as said:  # pytest's own words are none of the program's output
        status = _pytest_main([*_OPTIONS, f"--rootdir={os.path.dirname(places.test)}", places.test], [reports])
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
        raise TestFailedError(f"pytest ended with {status!r}: {said.getvalue().strip()[-200:]}")
    if status == _NO_TESTS or not reports.ran:
        raise TestFailedError("all tests were skipped, or none ran")
    if left := sorted(reports.found - reports.over):
        raise TestFailedError(f"{left[0].partition('::')[2]} did not run to its end")
