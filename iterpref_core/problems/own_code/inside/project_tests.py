"""Run a project's tests with pytest, and report which tests passed and which functions they called."""

import contextlib
import hashlib
import importlib
import io
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

Survey = dict[str, tuple[bool, float, list[str]]]
"""Name of a test → (True if the test passed, CPU seconds, called functions)."""


def _seed() -> None:
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


class _Plugin:
    """A pytest plugin that chooses the tests, and remembers their outcomes.

    Args:
        chosen: the ids of the tests to run; None collects all tests and runs none.
        tops: the names of the project's top-level packages and modules, whose functions are watched.
    """

    def __init__(self, chosen: Sequence[str] | None = None, tops: Sequence[str] = ()) -> None:
        self.chosen = chosen
        self._tops = frozenset(tops)
        self.nodes: list[str] = []
        self.failure = ""
        self.passed: dict[str, bool] = {}
        self.watched: dict[str, tuple[float, list[str]]] = {}

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failure = self.failure or f"{report.nodeid}: {str(report.longrepr).strip().splitlines()[-1]}"

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        self.nodes = [item.nodeid for item in items]
        if self.chosen is not None:
            items[:] = [item for item in items if item.nodeid in self.chosen]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        """Run a test with its fixtures: with random numbers of its own, timed and watched."""
        _seed()
        called = set[str]()

        def see(frame: Any, event: str, _argument: Any) -> None:
            name = frame.f_globals.get("__name__")
            if event == "call" and isinstance(name, str) and name.partition(".")[0] in self._tops:
                called.add(f"{name}:{frame.f_code.co_qualname}")

        started = time.process_time()
        sys.setprofile(see if self._tops else None)
        try:
            yield
        finally:
            sys.setprofile(None)
        self.watched[item.nodeid] = time.process_time() - started, sorted(called)

    def pytest_runtest_logreport(self, report: Any) -> None:
        passed = report.outcome == "passed" and not hasattr(report, "wasxfail")
        # A test whose setup passed has not passed yet.
        if report.when == "call" or not passed:
            self.passed[report.nodeid] = passed and self.passed.get(report.nodeid, True)
        if not passed and not self.failure:
            crash = getattr(report.longrepr, "reprcrash", None)
            text = crash.message if crash is not None else f"{report.outcome} {report.longrepr}"
            self.failure = f"{report.nodeid}: {text}"

    def verdict(self) -> str:
        """Return the first failure of a session in which all tests should have passed, or an empty text."""
        if self.failure:
            return self.failure
        for node in self.chosen or ():
            if not self.passed.get(node):
                return f"{node}: did not run"
        return ""


def _run_pytest(root: str, plugin: _Plugin, *options: str) -> None:
    """Run a pytest session in a project's folder. Its output is dropped; its files go into the job's folder."""
    # "tests/test_a.py::test_one" is a test of the file "tests/test_a.py".
    targets = sorted({node.partition("::")[0] for node in plugin.chosen}) if plugin.chosen else [root]
    # Finding plugins takes longer than most tests.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"

    here = os.getcwd()
    scratch = os.path.abspath("scratch")
    os.makedirs(scratch, exist_ok=True)
    tempfile.tempdir = scratch
    arguments = ["-p", "no:cacheprovider", "-o", "addopts=", "--rootdir", root, "--basetemp", f"{scratch}/pytest"]
    os.chdir(root)
    try:
        with _silence():
            pytest.main([*arguments, *options, *targets], plugins=[plugin])
    finally:
        os.chdir(here)


def collect_tests(root: str) -> list[str]:
    """Return the ids of the tests that pytest can collect in a project."""
    plugin = _Plugin()
    _run_pytest(root, plugin, "--collect-only", "--continue-on-collection-errors")
    return plugin.nodes


def survey_tests(root: str, nodes: Sequence[str], tops: Sequence[str]) -> Survey:
    """Run tests of a project, and watch which functions they call."""
    plugin = _Plugin(nodes, tops)
    _run_pytest(root, plugin)
    return {node: (plugin.passed.get(node, False), *plugin.watched.get(node, (0.0, []))) for node in nodes}


def _root_of(files: Mapping[str, str]) -> str:
    """Return the folder on `sys.path` that holds some files of the project, given with their SHA-256.

    Raises:
        RuntimeError: there is no such folder.
    """
    for root in sys.path:
        if all(_sha256(os.path.join(root, name)) == sha256 for name, sha256 in files.items()):
            return root
    raise RuntimeError(f"{', '.join(files)}: changed since they were ingested, or absent: ingest the project again")


def _sha256(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def failure_of(replacement: Any, files: Mapping[str, str], nodes: Sequence[str]) -> str:
    """Return the first failure of a function's tests with a candidate in the function's place, or an empty text.

    Args:
        replacement: the candidate, not yet installed.
        files: the files of the function and of the tests, with their SHA-256.
        nodes: the ids of the tests.
    """
    root = _root_of(files)
    replacement.install()
    with _silence():
        importlib.import_module(replacement.module)
    plugin = _Plugin(nodes)
    _run_pytest(root, plugin, "--maxfail=1")
    return plugin.verdict()
