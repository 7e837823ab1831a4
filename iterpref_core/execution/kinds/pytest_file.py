"""`pytest` tests: a file that imports the solution, which pytest runs."""

import contextlib
import importlib
import os
import sys
from typing import Any

from ..solution.loading import write_files
from .kind import Child, Judge, Step
from .module_names import forget, modules_of
from .python_source import PythonSource
from .reports import PASSED, PASSED_ANYWAY, TEST, Report, TestFailedError, compiled

FILE = "test_solution.py"
_OPTIONS = (
    "-q", "--capture=sys", "--noconftest", "--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:faulthandler",
)  # fmt: skip
_NO_TESTS = 5
"""Exit status of pytest that has found no tests."""


class PytestFile(PythonSource):
    """The kind `pytest`. The body is the source of the file."""

    name = "pytest"
    imports_solution = True

    def uses_pytest(self, step: Step) -> bool:
        """Return True."""
        del step
        return True

    def place(self, step: Step) -> str:
        """Return the name of all tests of a file."""
        del step
        return "the unit tests"

    def run(self, body: Any, child: Child) -> Report:
        """Run the file beside the solution, which is loaded."""
        del child
        write_files("", {FILE: body})
        sys.path.insert(0, os.getcwd())
        run_pytest(os.path.abspath(FILE))
        return PASSED

    def judge(self, body: Any, judge: Judge) -> Report:
        """Run the file in the judge's own folder."""
        compiled(body, TEST)
        judge.write({FILE: body})
        run_pytest(os.path.join(judge.folder, FILE))
        return PASSED


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


def run_pytest(path: str) -> None:
    """Run a file of tests by pytest.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    reports = _Reports()
    # pytest takes a module that is loaded for the file of that name, and would run an earlier test once more.
    forget(modules_of([os.path.basename(path)]))
    status = _pytest_main([*_OPTIONS, f"--rootdir={os.path.dirname(path)}", path], [reports])
    if reports.failed:
        name, message = reports.failed[0]
        error = getattr(reports, "error", None)
        # Without a name it is the file that has failed, not a test: an import of it raised.
        if not name and isinstance(error, Exception):
            raise error
        raised = reports.raised[0] if reports.raised else ""
        if PASSED_ANYWAY in reports.raised:
            raised = PASSED_ANYWAY
        if raised in ("AssertionError", "Failed"):
            raised = ""
        raise TestFailedError(f"{name}: {message}" if name else message, raised)
    if status not in (0, _NO_TESTS):
        raise TestFailedError(f"pytest ended with {status!r}")
    if status == _NO_TESTS or not reports.ran:
        raise TestFailedError("all tests were skipped, or none ran")
