"""Test survey: which tests a project has, what each of them executes, and which can be relied on.

Everything runs isolated, in the project's own environment, several times: in another order, with another hash seed and
other random numbers each time.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iterpref_core.config import ExecutionParams, OwnCodeParams
from iterpref_core.execution import Executor, Limits, Outcome
from iterpref_core.execution.interpreters import Environment
from iterpref_core.problems.own_code.functions import Function
from iterpref_core.progress import show_progress

logger = logging.getLogger(__name__)

_SANDBOXED = Path(__file__).with_name("sandboxed")
_LIMITS = Limits(cpu_s=120, wall_s=600, memory_mb=2048, output_kb=1024, file_mb=64)
"""Of one file's tests together."""
_NAME = "survey"

Survey = dict[str, tuple[bool, float, list[str]]]


@dataclass(frozen=True)
class Project:
    """What is to become problems.

    Attributes:
        name: of the package or folder.
        environment: the interpreter that it runs in, with the folders it needs.
        test_root: the folder that test ids are relative to; on `sys.path`.
        tests: the folder whose tests are collected.
        plugins: modules of the pytest plugins that are installed there.
    """

    name: str
    environment: Environment
    test_root: Path
    tests: Path
    plugins: tuple[str, ...]


@dataclass(frozen=True)
class TestsOf:
    """The tests of one function: whether its doctest counts, and the pytest tests, the most specific ones first."""

    doctest: bool
    nodes: tuple[str, ...]


def sandboxed_source(name: str) -> str:
    """The text of a module that runs in the sandbox."""
    return (_SANDBOXED / name).read_text(encoding="utf-8")


class _Sandbox:
    """Calls functions of `sandboxed/project_tests.py` in a project's environment, isolated."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def call(self, calls: Iterable[str]) -> Iterator[tuple[Any, str]]:
        """The value of each call, or None and what went wrong."""
        code = sandboxed_source("project_tests.py")
        run = self._executor.call
        for _, (values, outcome) in self._executor.each(calls, lambda call: run(code, [call], environment=_NAME)):
            yield (values[0] if values else None), _problem(outcome)


def _problem(outcome: Outcome) -> str:
    return "" if outcome.verdict == "passed" else f"{outcome.verdict}: {outcome.feedback}"


def _by_file(nodes: Iterable[str]) -> dict[str, list[str]]:
    files: defaultdict[str, list[str]] = defaultdict(list)
    for node in nodes:
        files[node.partition("::")[0]].append(node)
    return dict(files)


def _doctests(functions: Sequence[Function]) -> dict[str, dict[str, str]]:
    """Docstrings with examples: by module, then by qualified name."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for function in functions:
        if ">>>" in function.docstring:
            found[function.module.name][function.qualname] = function.docstring
    return dict(found)


class _Runs:
    """What several runs of all tests have shown."""

    def __init__(self) -> None:
        self.verdicts: defaultdict[str, list[bool]] = defaultdict(list)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.called: dict[str, list[str]] = {}

    def add(self, name: str, passed: bool, seconds: float, called: list[str]) -> None:
        """One run of a test; the first says what it called."""
        self.verdicts[name].append(passed)
        self.seconds[name] = max(self.seconds[name], seconds)
        self.called.setdefault(name, called)

    def reason_against(self, name: str, params: OwnCodeParams) -> str | None:
        """Why a test does not count."""
        verdicts = self.verdicts[name]
        if len(verdicts) < params.repeats:
            return "test_unfinished"
        if not all(verdicts):
            return "test_flaky" if any(verdicts) else "test_fails"
        return "test_slow" if self.seconds[name] > params.max_test_s else None


def _run_once(
    sandbox: _Sandbox, project: Project, jobs: Sequence[tuple[str, Any]], tops: Sequence[str], seed: int, runs: _Runs
) -> None:
    """One run of all tests; jobs are `(module, docstrings)` and `("", ids of one file)`."""

    def call(module: str, tests: Any) -> str:
        if module:
            return f"survey_doctests({module!r}, {tests!r}, {list(tops)!r}, {seed})"
        return f"survey_tests({str(project.test_root)!r}, {tests!r}, {project.plugins!r}, {list(tops)!r}, {seed})"

    with show_progress(f"tests, run {seed + 1}", len(jobs)) as advance:
        for (module, tests), (found, problem) in zip(jobs, sandbox.call(call(*job) for job in jobs), strict=True):
            advance(1)
            if not isinstance(found, dict):
                logger.warning("the tests of %s did not finish: %s", module or tests[0].partition("::")[0], problem)
                continue
            for name, (passed, seconds, called) in found.items():
                runs.add(f"{module}:{name}" if module else name, passed, seconds, called)


def _collect(sandbox: _Sandbox, project: Project) -> list[str]:
    call = f"collect_tests({str(project.test_root)!r}, {str(project.tests)!r}, {project.plugins!r})"
    ((nodes, problem),) = sandbox.call([call])
    if nodes is None:
        logger.warning("no pytest tests of %s could be collected: %s", project.name, problem)
    return list(nodes or [])


def survey(
    project: Project,
    functions: Sequence[Function],
    execution: ExecutionParams,
    params: OwnCodeParams,
    counts: Counter[str],
    dropped: Counter[str],
) -> Mapping[str, TestsOf]:
    """Run all tests several times and find those of each function.

    Args:
        project: where they are and where they run.
        functions: what they are wanted for.
        execution: how many run at once, and whether weak isolation is accepted.
        params: how often they run, how long they may take, and how many of one function are kept.
        counts: gets `tests`.
        dropped: gets `test_<reason>`.

    Returns:
        The tests of every function that has any, by `Function.id`.
    """
    runs = _Runs()
    jobs: list[tuple[str, Any]] = []
    tops = sorted({function.module.name.partition(".")[0] for function in functions})
    for seed in range(params.repeats):
        with ExitStack() as stack:
            executor = Executor(
                _LIMITS,
                workers=execution.workers,
                allow_unsafe=execution.allow_unsafe,
                environments={_NAME: replace(project.environment, hash_seed=seed)},
            )
            sandbox = _Sandbox(stack.enter_context(executor))
            if seed == 0:
                jobs += [*_doctests(functions).items()]
                jobs += [("", nodes) for nodes in _by_file(_collect(sandbox, project)).values()]
            _run_once(sandbox, project, jobs, tops, seed, runs)
    names = [f"{module}:{name}" for module, tests in jobs if module for name in tests]
    names += [name for module, tests in jobs if not module for name in tests]
    sound = []
    for name in names:
        reason = runs.reason_against(name, params)
        if reason is None:
            sound.append(name)
        else:
            dropped[reason] += 1
    counts["tests"] += len(names)
    return _by_function(functions, sound, runs.called, params.max_tests, dropped)


def _by_function(
    functions: Sequence[Function],
    sound: Sequence[str],
    called: Mapping[str, list[str]],
    limit: int,
    dropped: Counter[str],
) -> dict[str, TestsOf]:
    nodes: defaultdict[str, list[str]] = defaultdict(list)
    for name in sound:
        if "::" in name:
            for seen in called[name]:
                nodes[seen].append(name)
    kept: set[str] = set()
    found = {}
    for function in functions:
        doctest = function.id in sound and function.id in called[function.id]
        specific = sorted(nodes[function.id], key=lambda name: len(called[name]))[:limit]
        if doctest or specific:
            found[function.id] = TestsOf(doctest, tuple(specific))
            kept.update(specific, [function.id] * doctest)
    dropped["test_unused"] += len(set(sound) - kept)
    return found
