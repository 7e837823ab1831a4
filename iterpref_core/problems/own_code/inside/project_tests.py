"""Run a project's tests with pytest, and report which tests passed and which functions they called."""

import argparse
import contextlib
import copy
import hashlib
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

Survey = dict[str, tuple[str, float, list[str], list[str]]]
"""Name of a test → (its failure, empty if the test passed; CPU seconds; functions that it called; functions that its
file called while it was imported)."""
_FINE = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
_INTERNAL = "INTERNALERROR>"
_ENTRY_POINTS = "pytest11"
"""The group of entry points by which packages give pytest their plugins."""
_FLAGS = ("--doctest-modules", "--doctest-ignore-import-errors", "--doctest-continue-on-failure")
_VALUES = ("--doctest-glob", "--ignore", "--ignore-glob", "--import-mode")
"""Options that say which tests a project has, and how they are imported."""


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


def _kept(options: Sequence[str]) -> list[str]:
    """Return those of a project's options that say which tests there are, and how they are imported."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in _VALUES:
        parser.add_argument(name, action="append", default=[], dest=name)
    values, _ = parser.parse_known_args(options)
    flags = [option for option in options if option in _FLAGS]
    return flags + [f"{name}={value}" for name, given in vars(values).items() for value in given]


class _Watch:
    """What runs in a project's files.

    Args:
        root: the project's folder.
        files: the files whose functions are watched, by their paths in the project.
    """

    def __init__(self, root: str, files: Sequence[str]) -> None:
        self._places = {os.path.realpath(os.path.join(root, file)): file for file in files}
        self._seen: dict[str, str] = {}
        self.names: dict[str, str] = {}
        """File → the name by which it was imported."""

    def _place(self, filename: str) -> str:
        if filename not in self._seen:
            self._seen[filename] = self._places.get(os.path.realpath(filename), "")
        return self._seen[filename]

    @contextlib.contextmanager
    def calls(self, *, of_module: str = "") -> Iterator[set[str]]:
        """Collect the calls of watched functions as `file:qualified.name`.

        Args:
            of_module: a file; if it is given, only calls that come from its own statements count, and no others that
                are made while it is imported.
        """
        called = set[str]()

        def see(frame: Any, event: str, _argument: Any) -> None:
            if event != "call":
                return
            place = self._place(frame.f_code.co_filename)
            if place:
                self.names.setdefault(place, frame.f_globals.get("__name__", ""))
                if not of_module or _importing(frame) == of_module:
                    called.add(f"{place}:{frame.f_code.co_qualname}")

        sys.setprofile(see)
        try:
            yield called
        finally:
            sys.setprofile(None)


def _importing(frame: Any) -> str:
    """Return the file of the module that is being imported when a frame runs."""
    while frame and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return os.path.realpath(frame.f_code.co_filename) if frame else ""


class _Plugin:
    """A pytest plugin that chooses the tests, and remembers their outcomes.

    Args:
        chosen: the ids of the tests to run; None collects all tests and runs none.
        watch: watches the tests, if they are.
    """

    def __init__(self, chosen: Sequence[str] | None = None, watch: _Watch | None = None) -> None:
        self.chosen = chosen
        self.given = 0
        """The number of pytest's options that are not the project's."""
        self._watch = watch
        self._at_import: dict[str, set[str]] = {}
        self.nodes: list[str] = []
        self.not_collected: dict[str, str] = {}
        self.passed: set[str] = set()
        self.failures: dict[str, str] = {}
        self.watched: dict[str, tuple[float, list[str], list[str]]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any, parser: Any, args: list[str]) -> None:
        """Leave out what else the project's `addopts`, which stand first, ask for: coverage, other processes."""
        own = len(args) - self.given
        args[:own] = _kept(args[:own])
        namespace = copy.copy(early_config.option)
        namespace.confcutdir = early_config.known_args_namespace.confcutdir
        early_config.known_args_namespace = parser.parse_known_args(args, namespace=namespace)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: Any) -> Iterator[None]:
        if self._watch is None or not isinstance(collector, pytest.Module):
            yield
            return
        with self._watch.calls(of_module=os.path.realpath(collector.path)) as called:
            yield
        # With doctests a file is collected twice, and imported once.
        self._at_import.setdefault(collector.nodeid, set()).update(called)

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
        if self._watch is None:
            yield
            return
        began = time.process_time()
        with self._watch.calls() as called:
            yield
        at_import = sorted(self._at_import.get(item.nodeid.partition("::")[0], ()))
        seconds = time.process_time() - began
        self.watched[item.nodeid] = seconds, sorted(called), at_import

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
    arguments = ["-p", "no:cacheprovider", "--rootdir", root, "--basetemp", f"{scratch}/pytest", *blocked, *options]
    # pytest's plugins are imported before it runs, which `filterwarnings = error` would not forgive.
    arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning", *targets]
    plugin.given = len(arguments)
    os.chdir(root)
    try:
        with _silence() as printed:
            code = pytest.main(arguments, plugins=[plugin])
    except Exception as error:  # noqa: BLE001 - a plugin that cannot be imported ends pytest by its own error
        return f"{type(error).__name__}: {error}"
    finally:
        os.chdir(here)
    # A summary follows the error of a hook, but not an error of usage.
    text = printed.getvalue()
    errors = [line.removeprefix(_INTERNAL) for line in text.splitlines() if line.startswith(_INTERNAL)]
    return "" if code in _FINE else _last_line("\n".join(errors) or text) or f"pytest ended with {code!r}"


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
    # An error of a conftest's hook ends all, and files have errors of their own beside it.
    whole = {".": fault} if fault else {}
    return {"tests": plugin.nodes, "not_collected": whole | plugin.not_collected, "plugins": broken}


def survey_tests(
    root: str, nodes: Sequence[str], files: Sequence[str], without: Sequence[str]
) -> tuple[Survey, dict[str, str]]:
    """Run tests of a project without some plugins, and watch which functions of some files they call.

    Returns:
        The tests, and the name by which each file was imported.
    """
    watch = _Watch(root, files)
    plugin = _Plugin(nodes, watch)
    fault = _run_pytest(root, plugin, without=without)
    found = {}
    for node in nodes:
        # A test may pass, and fail when it is taken down.
        failure = plugin.failures.get(node) or ("" if node in plugin.passed else fault or "did not run")
        found[node] = (failure, *plugin.watched.get(node, (0.0, [], [])))
    return found, watch.names


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
    replacement.install(os.path.join(root, replacement.file))
    plugin = _Plugin(nodes)
    fault = _run_pytest(root, plugin, "--maxfail=1", without=without)
    failures = [f"{node}: {text}" for node, text in (plugin.not_collected | plugin.failures).items()]
    missing = [f"{node}: did not run" for node in nodes if node not in plugin.passed]
    failure = next(filter(None, [*failures, fault, *missing]), "")
    if failure and replacement.error is not None:
        raise replacement.error
    return failure or ("" if replacement.loaded else f"{replacement.file} was not imported")
