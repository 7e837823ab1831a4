"""Run a project's tests with pytest, and report which tests passed and which functions they called."""

import contextlib
import hashlib
import importlib
import importlib.metadata
import io
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

Survey = dict[str, tuple[str, float, list[str]]]
"""Name of a test → (its failure, empty if the test passed; CPU seconds; called functions)."""
_FINE = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
_ENTRY_POINTS = "pytest11"
"""The group of entry points by which packages give pytest their plugins."""


def _seed() -> None:
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)


@contextlib.contextmanager
def _silence() -> Iterator[io.StringIO]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        yield printed


def _last_line(text: str) -> str:
    """Return the last line of what pytest prints about an error, without its mark: `E   ImportError: no x`."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("E ").strip() if lines else ""


def _reason_of(report: Any) -> str:
    """Return why a test failed or was skipped, or why a file was not collected, of any kind of pytest's reports."""
    # A skip is a tuple of file, line and reason; an exception has a crash, and an unknown fixture a text of its own.
    if isinstance(report, tuple):
        return str(report[2])
    crash = getattr(report, "reprcrash", None)
    if crash is not None:
        return str(crash.message)
    # The line after it lists the fixtures that there are.
    fixture = getattr(report, "errorstring", "").strip().partition("\n")[0]
    return fixture or _last_line(str(report))


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
        self.not_collected: dict[str, str] = {}
        self.passed: set[str] = set()
        self.failures: dict[str, str] = {}
        self.watched: dict[str, tuple[float, list[str]]] = {}

    def pytest_collectreport(self, report: Any) -> None:
        # A module may also skip itself, if an import is missing.
        if not report.passed:
            self.not_collected[report.nodeid] = _reason_of(report.longrepr)

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
        if not passed:
            self.failures.setdefault(report.nodeid, f"{report.outcome}: {_reason_of(report.longrepr)}")
        # A test whose setup passed has not passed yet.
        elif report.when == "call":
            self.passed.add(report.nodeid)


def _run_pytest(root: str, plugin: _Plugin, *options: str, without: Sequence[str] = ()) -> str:
    """Run a pytest session in a project's folder; its files go into the job's folder.

    Args:
        root: the folder.
        plugin: chooses the tests.
        options: options of pytest.
        without: the names of the environment's plugins that are not loaded.

    Returns:
        The last line that pytest prints if the session cannot run; else an empty text.
    """
    # "tests/test_a.py::test_one" is a test of the file "tests/test_a.py".
    targets = sorted({node.partition("::")[0] for node in plugin.chosen}) if plugin.chosen else [root]
    # pytest-randomly would set other seeds and another order in every run.
    blocked = [word for name in ("randomly", *without) for word in ("-p", f"no:{name}")]
    here = os.getcwd()
    scratch = os.path.abspath("scratch")
    os.makedirs(scratch, exist_ok=True)
    tempfile.tempdir = scratch
    arguments = ["-p", "no:cacheprovider", "-o", "addopts=", "--rootdir", root, "--basetemp", f"{scratch}/pytest"]
    os.chdir(root)
    try:
        with _silence() as printed:
            code = pytest.main([*arguments, *blocked, *options, *targets], plugins=[plugin])
    except Exception as error:  # noqa: BLE001 - a plugin that cannot be imported ends pytest by its own error
        return f"{type(error).__name__}: {error}"
    finally:
        os.chdir(here)
    return "" if code in _FINE else _last_line(printed.getvalue()) or f"pytest ended with {code!r}"


def _broken_plugins() -> dict[str, str]:
    """Return the environment's plugins that end pytest even in an empty folder, each with pytest's line."""
    empty = os.path.abspath("empty")
    os.makedirs(empty, exist_ok=True)
    names = sorted({point.name for point in importlib.metadata.entry_points(group=_ENTRY_POINTS)})
    broken = {}
    for name in names:
        others = [other for other in names if other != name]
        # With settings in `/dev`, pytest would collect all folders from `/` on, and Landlock closes `/tmp`.
        options = ("--collect-only", "-c", os.devnull, "--confcutdir", empty)
        fault = _run_pytest(empty, _Plugin(), *options, without=others)
        if fault:
            broken[name] = fault
    return broken


def collect_tests(root: str) -> dict[str, Any]:
    """Collect the tests of a project.

    Returns:
        `tests`: their ids; `not_collected`: file → the error of its import; `plugins`: plugins that are left out, since
        pytest cannot run with them, each with pytest's line.
    """
    options = ("--collect-only", "--continue-on-collection-errors")
    plugin = _Plugin()
    broken = {}
    fault = _run_pytest(root, plugin, *options)
    # Most environments have no broken plugin, so plugins are only tried one by one if pytest cannot run.
    if fault:
        broken = _broken_plugins()
        if broken:
            plugin = _Plugin()
            fault = _run_pytest(root, plugin, *options, without=list(broken))
    if fault and not plugin.not_collected:
        plugin.not_collected["."] = fault
    return {"tests": plugin.nodes, "not_collected": plugin.not_collected, "plugins": broken}


def survey_tests(root: str, nodes: Sequence[str], tops: Sequence[str], without: Sequence[str]) -> Survey:
    """Run tests of a project without some plugins, and watch which functions they call."""
    plugin = _Plugin(nodes, tops)
    fault = _run_pytest(root, plugin, without=without)
    found = {}
    for node in nodes:
        # A test may pass, and fail when it is taken down.
        failure = plugin.failures.get(node) or ("" if node in plugin.passed else fault or "did not run")
        found[node] = (failure, *plugin.watched.get(node, (0.0, [])))
    return found


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


def failure_of(replacement: Any, files: Mapping[str, str], nodes: Sequence[str], without: Sequence[str] = ()) -> str:
    """Return the first failure of a function's tests with a candidate in the function's place, or an empty text.

    Args:
        replacement: the candidate, not yet installed.
        files: the files of the function and of the tests, with their SHA-256.
        nodes: the ids of the tests.
        without: the names of the environment's plugins that are not loaded.
    """
    root = _root_of(files)
    replacement.install()
    with _silence():
        importlib.import_module(replacement.module)
    plugin = _Plugin(nodes)
    fault = _run_pytest(root, plugin, "--maxfail=1", without=without)
    failures = [f"{node}: {text}" for node, text in (plugin.not_collected | plugin.failures).items()]
    missing = [f"{node}: did not run" for node in nodes if node not in plugin.passed]
    return next(filter(None, [*failures, fault, *missing]), "")
