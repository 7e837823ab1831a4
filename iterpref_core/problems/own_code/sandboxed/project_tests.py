"""Project tests: runs doctests and pytest tests, and says which passed and what they called.

Both kinds run beside a test that must fail, so that a candidate that switches failing off is found out.
"""

import contextlib
import doctest
import hashlib
import importlib
import io
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_CANARY = "a test that must fail"
Survey = dict[str, tuple[bool, float, list[str]]]
"""By name of a test: whether it passed, CPU seconds, and the functions that it called."""


def _seed(seed: int) -> None:
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


class Calls:
    """Collects the functions of a project that are called, as `module:qualified.name`.

    Args:
        tops: names of the project's top-level packages and modules.
    """

    def __init__(self, tops: Sequence[str]) -> None:
        self._tops, self.found = frozenset(tops), set[str]()

    def _see(self, frame: Any, event: str, _argument: Any) -> None:
        if event == "call":
            name = frame.f_globals.get("__name__")
            if isinstance(name, str) and name.partition(".")[0] in self._tops:
                self.found.add(f"{name}:{frame.f_code.co_qualname}")

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Collect in the block."""
        self.found = set()
        sys.setprofile(self._see)
        try:
            yield
        finally:
            sys.setprofile(None)


class _DocTests(doctest.DocTestRunner):
    """Keeps the first failure, and the exception if it is one."""

    failure = ""
    error: BaseException | None = None

    def report_failure(self, out: Any, test: Any, example: Any, got: str) -> None:  # noqa: ARG002 - doctest's names
        self._keep(f"{example.source.strip()} gave {got.strip()}, expected {example.want.strip()}")

    def report_unexpected_exception(self, out: Any, test: Any, example: Any, exc_info: Any) -> None:  # noqa: ARG002
        self._keep(f"{example.source.strip()} raised {exc_info[0].__name__}: {exc_info[1]}", exc_info[1])

    def _keep(self, text: str, error: BaseException | None = None) -> None:
        if not self.failure:
            self.failure, self.error = text, error


def _run_examples(text: str, namespace: dict[str, Any], name: str) -> _DocTests:
    runner = _DocTests(verbose=False)
    test = doctest.DocTestParser().get_doctest(text, namespace, name, None, 0)
    runner.run(test, out=lambda _: None)
    return runner


def run_doctest(module: str, name: str, text: str) -> tuple[str, BaseException | None]:
    """Run a docstring's examples in its module's namespace; returns the first failure, empty if there is none."""
    if not _run_examples(">>> 1\n2\n", {}, _CANARY).failure:
        return "doctest no longer finds failures", None
    runner = _run_examples(text, dict(vars(importlib.import_module(module))), name)
    return runner.failure or ("" if runner.tries else "no example ran"), runner.error


def survey_doctests(module: str, docstrings: Mapping[str, str], tops: Sequence[str], seed: int) -> Survey:
    """Run the doctests of a module's functions, given by qualified name, in an order that the seed decides."""
    names = sorted(docstrings)
    random.Random(seed).shuffle(names)
    found: Survey = {}
    calls = Calls(tops)
    with _silence():
        importlib.import_module(module)
        for name in names:
            _seed(seed)
            started = time.process_time()
            with calls.watch():
                try:
                    passed = not run_doctest(module, name, docstrings[name])[0]
                except BaseException:  # noqa: BLE001 - a test may raise anything, SystemExit included
                    passed = False
            found[name] = (passed, time.process_time() - started, sorted(calls.found))
    return found


class _Plugin:
    """What a pytest session is asked for: which tests in which order, and what became of them.

    Args:
        order: ids of the tests to run; None to collect all and run none.
        calls: what watches them, if anything.
        seed: of each test's random numbers.
        locate: adds the candidate's line to the text of a failure.
    """

    def __init__(
        self,
        order: Sequence[str] | None = None,
        *,
        calls: Calls | None = None,
        seed: int = 0,
        locate: Callable[[BaseException | None], str] = lambda _: "",
    ) -> None:
        self._order, self._calls, self._seed, self._locate = order, calls, seed, locate
        self._raised: dict[str, BaseException] = {}
        self.nodes: list[str] = []
        self.failure = ""
        self.passed: dict[str, bool] = {}
        self.seconds: dict[str, float] = {}
        self.called: dict[str, list[str]] = {}

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failure = self.failure or f"{report.nodeid}: {str(report.longrepr).strip().splitlines()[-1]}"

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        self.nodes = [item.nodeid for item in items]
        if self._order is None:
            return
        import pytest

        def fails() -> None:
            raise AssertionError

        places = {node: place for place, node in enumerate(self._order)}
        chosen = [item for item in items if item.nodeid in places]
        module = next((item.getparent(pytest.Module) for item in chosen), None)
        canary = [pytest.Function.from_parent(module, name=_CANARY, callobj=fails)] if module is not None else []
        items[:] = [*canary, *sorted(chosen, key=lambda item: places[item.nodeid])]

    def around(self, item: Any) -> Iterator[None]:
        """A test with its fixtures: with random numbers of its own, timed and watched."""
        _seed(self._seed)
        started = time.process_time()
        with self._calls.watch() if self._calls is not None else contextlib.nullcontext():
            yield
        self.seconds[item.nodeid] = time.process_time() - started
        self.called[item.nodeid] = sorted(self._calls.found) if self._calls is not None else []

    def pytest_exception_interact(self, node: Any, call: Any) -> None:
        self._raised[node.nodeid] = call.excinfo.value

    def pytest_runtest_logreport(self, report: Any) -> None:
        passed = report.outcome == "passed" and not hasattr(report, "wasxfail")
        if report.when == "call" or not passed:  # a test that was set up has not passed yet
            self.passed[report.nodeid] = passed and self.passed.get(report.nodeid, True)
        if not passed and not self.failure and not report.nodeid.endswith(_CANARY):
            crash = getattr(report.longrepr, "reprcrash", None)
            text = crash.message if crash is not None else f"{report.outcome} {report.longrepr}"
            self.failure = f"{report.nodeid}: {text}{self._locate(self._raised.get(report.nodeid))}"

    def verdict(self) -> str:
        """The first failure of a session in which all tests should have passed; empty if there is none."""
        found = {node: passed for node, passed in self.passed.items() if not node.endswith(_CANARY)}
        if self.failure:
            return self.failure
        if len(found) == len(self.passed) or any(self.passed[node] for node in self.passed.keys() - found.keys()):
            return "pytest no longer finds failures"
        missing = [node for node in self._order or () if not found.get(node)]
        return f"{missing[0]}: did not run" if missing else ""


def _run_pytest(root: str, targets: Sequence[str], plugins: Sequence[str], plugin: _Plugin, *options: str) -> None:
    """A pytest session in a project's folder; what it prints goes nowhere, what it writes into the job's folder.

    Other plugins are named, since finding them takes longer than most tests.
    """
    import pytest

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    installed = [importlib.import_module(name) for name in plugins]

    class Around:
        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
            yield from plugin.around(item)

    here, scratch = os.getcwd(), os.path.abspath("scratch")
    os.makedirs(scratch, exist_ok=True)
    tempfile.tempdir = scratch
    arguments = ["-p", "no:cacheprovider", "-o", "addopts=", "--rootdir", root, "--basetemp", f"{scratch}/pytest"]
    os.chdir(root)
    try:
        with _silence():
            pytest.main([*arguments, *options, *targets], plugins=[*installed, plugin, Around()])
    finally:
        os.chdir(here)


def collect_tests(root: str, folder: str, plugins: Sequence[str]) -> list[str]:
    """Ids of the tests that pytest collects in a folder of a project; what it cannot collect is passed over.

    Raises:
        ModuleNotFoundError: the environment has no pytest.
    """
    plugin = _Plugin()
    _run_pytest(root, [folder], plugins, plugin, "--collect-only", "--continue-on-collection-errors")
    return plugin.nodes


def survey_tests(root: str, nodes: Sequence[str], plugins: Sequence[str], tops: Sequence[str], seed: int) -> Survey:
    """Run tests of a project; with seed 0 they keep their order and are watched."""
    order = list(nodes)
    if seed:
        random.Random(seed).shuffle(order)
    plugin = _Plugin(order, calls=None if seed else Calls(tops), seed=seed)
    _run_pytest(root, sorted({node.partition("::")[0] for node in nodes}), plugins, plugin)
    return {
        node: (plugin.passed.get(node, False), plugin.seconds.get(node, 0.0), plugin.called.get(node, []))
        for node in nodes
    }


def _root_of(files: Mapping[str, str]) -> str:
    """The folder on `sys.path` that holds the test files, given with their SHA-256.

    Raises:
        RuntimeError: it is gone, or a file has changed.
    """
    for root in sys.path:
        paths = {os.path.join(root, name): sha256 for name, sha256 in files.items()}
        if all(map(os.path.exists, paths)):
            break
    else:
        raise RuntimeError(f"the tests {', '.join(files)} are not there: ingest the project again")
    for path, sha256 in paths.items():
        with open(path, "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() != sha256:
                raise RuntimeError(f"{path} has changed since it was ingested: ingest the project again")
    return root


class Suite:
    """The project's tests of one function, with a candidate in its place.

    Args:
        replacement: the candidate, not yet installed.

    Attributes:
        failure: what failed first; empty if nothing did.
    """

    def __init__(self, replacement: Any) -> None:
        self._replacement = replacement
        self.failure = ""
        replacement.install()
        with _silence():
            importlib.import_module(replacement.module)

    def doctest_passes(self, text: str) -> bool:
        """Whether the examples of the function's docstring pass."""
        with _silence():
            failure, error = run_doctest(self._replacement.module, self._replacement.qualname, text)
        self.failure = failure + self._replacement.line_of(error)
        return not self.failure

    def pytest_passes(self, files: Mapping[str, str], nodes: Sequence[str], plugins: Sequence[str]) -> bool:
        """Whether tests pass, given by id, with the SHA-256 of the files that they are in and pytest's plugins."""
        root = _root_of(files)
        plugin = _Plugin(nodes, locate=self._replacement.line_of)
        # The canary fails first, the first test that fails ends the session.
        _run_pytest(root, list(files), plugins, plugin, "--maxfail=2")
        self.failure = plugin.verdict()
        return not self.failure
