"""Test survey: which tests a project has, what each of them executes, and which can be relied on.

Everything runs isolated, in the project's own environment: once as it stands, watched, and once in another order, with
another hash seed and other random numbers.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from iterpref_core.config import ExecutionParams, OwnCodeParams
from iterpref_core.execution import Engine, Executor, Limits
from iterpref_core.execution.interpreters import Environment
from iterpref_core.problems.own_code.functions import Function
from iterpref_core.progress import show_progress

logger = logging.getLogger(__name__)

_SANDBOXED = Path(__file__).with_name("sandboxed")
_LIMITS = Limits(cpu_s=120, wall_s=600, memory_mb=2048, output_kb=1024, file_mb=64)
"""Of one file's tests together."""
_NAME = "survey"


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


class _Run(NamedTuple):
    """One run of a test: CPU seconds, and the functions that it called."""

    passed: bool
    seconds: float
    called: list[str]


@dataclass(frozen=True)
class _Job:
    """Tests that run together: those of a file, by id, or the docstrings of a module, by qualified name."""

    tests: Any
    module: str = ""

    def call(self, project: Project, tops: Sequence[str], seed: int) -> str:
        if self.module:
            return f"survey_doctests({self.module!r}, {self.tests!r}, {list(tops)!r}, {seed})"
        return f"survey_tests({str(project.test_root)!r}, {self.tests!r}, {project.plugins!r}, {list(tops)!r}, {seed})"

    def names(self) -> list[str]:
        return [f"{self.module}:{name}" if self.module else name for name in self.tests]


def sandboxed_source(name: str) -> str:
    """The text of a module that runs in the sandbox."""
    return (_SANDBOXED / name).read_text(encoding="utf-8")


def survey(
    project: Project,
    functions: Sequence[Function],
    execution: ExecutionParams,
    params: OwnCodeParams,
    counts: Counter[str],
    dropped: Counter[str],
) -> Mapping[str, TestsOf]:
    """Run all tests twice and find those of each function.

    Args:
        project: where they are and where they run.
        functions: what they are wanted for.
        execution: how many run at once, and whether weak isolation is accepted.
        params: how long they may take, and how many of one function are kept.
        counts: gets `tests`.
        dropped: gets `test_<reason>`.

    Returns:
        The tests of every function that has any, by `Function.id`.
    """
    tops = sorted({function.module.name.partition(".")[0] for function in functions})
    jobs: list[_Job] = []
    runs: list[dict[str, _Run]] = []
    for seed in (0, 1):
        environment = replace(project.environment, hash_seed=seed)
        with Executor(
            _LIMITS,
            workers=execution.workers,
            allow_unsafe=execution.allow_unsafe,
            environments={_NAME: environment},
        ) as executor:
            jobs = jobs or [*_doctests(functions), *_pytest_files(executor, project)]
            runs.append(_run_all(executor, project, jobs, tops, seed))
    sound = []
    for name in (name for job in jobs for name in job.names()):
        counts["tests"] += 1
        if reason := _reason_against([run.get(name) for run in runs], params):
            dropped[reason] += 1
        else:
            sound.append(name)
    called = {name: runs[0][name].called for name in sound}
    return _by_function(functions, called, params.max_tests, dropped)


def _doctests(functions: Sequence[Function]) -> Iterable[_Job]:
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for function in functions:
        if ">>>" in function.docstring:
            found[function.module.name][function.qualname] = function.docstring
    return (_Job(tests, module) for module, tests in found.items())


def _pytest_files(executor: Engine, project: Project) -> Iterable[_Job]:
    call = f"collect_tests({str(project.test_root)!r}, {str(project.tests)!r}, {project.plugins!r})"
    values, outcome = executor.call(sandboxed_source("project_tests.py"), [call], environment=_NAME)
    if not values:
        logger.warning("no pytest tests of %s could be collected: %s", project.name, outcome.feedback)
    files: defaultdict[str, list[str]] = defaultdict(list)
    for node in values[0] if values else ():
        files[node.partition("::")[0]].append(node)
    return map(_Job, files.values())


def _run_all(
    executor: Engine, project: Project, jobs: Sequence[_Job], tops: Sequence[str], seed: int
) -> dict[str, _Run]:
    """One run of all tests, by name; those that did not finish are missing."""
    code = sandboxed_source("project_tests.py")
    found: dict[str, _Run] = {}
    with show_progress(f"tests, run {seed + 1}", len(jobs)) as advance:
        called = executor.each(
            jobs, lambda job: executor.call(code, [job.call(project, tops, seed)], environment=_NAME)
        )
        for job, (values, outcome) in called:
            advance()
            if values and isinstance(values[0], dict):
                found.update(zip(job.names(), (_Run(*values[0][name]) for name in job.tests), strict=True))
            else:
                logger.warning("tests such as %s did not finish: %s", job.names()[0], outcome.feedback)
    return found


def _reason_against(runs: Sequence[_Run | None], params: OwnCodeParams) -> str | None:
    """Why a test does not count."""
    finished = [run for run in runs if run is not None]
    if len(finished) < len(runs):
        return "test_unfinished"
    if not all(run.passed for run in finished):
        return "test_flaky" if any(run.passed for run in finished) else "test_fails"
    return "test_slow" if max(run.seconds for run in finished) > params.max_test_s else None


def _by_function(
    functions: Sequence[Function], called: Mapping[str, list[str]], limit: int, dropped: Counter[str]
) -> dict[str, TestsOf]:
    """The sound tests of each function, by what each of them called."""
    nodes: defaultdict[str, list[str]] = defaultdict(list)
    for name, functions_called in called.items():
        if "::" in name:
            for seen in functions_called:
                nodes[seen].append(name)
    kept: set[str] = set()
    found = {}
    for function in functions:
        doctest = function.id in called.get(function.id, ())
        specific = sorted(nodes[function.id], key=lambda name: len(called[name]))[:limit]
        if doctest or specific:
            found[function.id] = TestsOf(doctest, tuple(specific))
            kept.update(specific, [function.id] * doctest)
    dropped["test_unused"] += len(called.keys() - kept)
    return found
