"""Test survey: which tests a project has, what each of them executes, and which can be relied on.

Everything runs isolated, in the project's own environment: once as it stands, watched, and once in another order, with
another hash seed and other random numbers.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from iterpref_core.config import ExecutionParams, OwnCodeParams
from iterpref_core.errors import InputError
from iterpref_core.execution import Engine, Executor, Limits, Outcome, Program, ValueTest
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
        folder: its root, named as it is; the ids of its tests are relative to it.
        root: the folder that its modules are imported from.
        environment: the interpreter that it runs in, with the folders it needs.
    """

    folder: Path
    root: Path
    environment: Environment

    @property
    def name(self) -> str:
        """The folder's, which the problems call their environment by."""
        return self.folder.name


def open_project(folder: Path, python: str) -> Project:
    """Look at a project.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the root of a project")
    folder = folder.resolve()
    root = folder / "src" if (folder / "src").is_dir() else folder
    return Project(folder, root, Environment(python, tuple(dict.fromkeys([str(root), str(folder)]))))


class _Run(NamedTuple):
    """One run of a test: CPU seconds, and the functions that it called."""

    passed: bool
    seconds: float
    called: list[str]


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
) -> dict[str, tuple[str, ...]]:
    """Run all tests twice and find those of each function.

    Args:
        project: where they are and where they run.
        functions: what they are wanted for.
        execution: how many run at once, and whether weak isolation is accepted.
        params: how long they may take, and how many of one function are kept.
        counts: gets `tests`.
        dropped: gets `test_<reason>`.

    Returns:
        By `Function.id` the tests of every function that has any, the most specific ones first.
    """
    tops = sorted({function.module.name.partition(".")[0] for function in functions})
    files: list[list[str]] = []
    runs: list[dict[str, _Run]] = []
    for seed in (0, 1):
        environment = replace(project.environment, hash_seed=seed)
        with Executor(
            _LIMITS,
            workers=execution.workers,
            allow_unsafe=execution.allow_unsafe,
            environments={_NAME: environment},
        ) as executor:
            files = files or _collect(executor, project)
            runs.append(_run_all(executor, project, files, tops, seed))
    called: dict[str, list[str]] = {}
    for test in (test for file in files for test in file):
        counts["tests"] += 1
        if reason := _reason_against([run.get(test) for run in runs], params):
            dropped[reason] += 1
        else:
            called[test] = runs[0][test].called
    tests_of = {}
    for function in functions:
        callers = [test for test, functions_called in called.items() if function.id in functions_called]
        if callers:
            tests_of[function.id] = tuple(sorted(callers, key=lambda test: len(called[test]))[: params.max_tests])
    dropped["test_unused"] += len(called.keys() - {test for tests in tests_of.values() for test in tests})
    return tests_of


def _collect(executor: Engine, project: Project) -> list[list[str]]:
    """Ids of the project's tests, those of each file together."""
    calls = (ValueTest("collect_tests", [str(project.folder)]),)
    values, outcome = executor.call(Program(sandboxed_source("project_tests.py"), calls, environment=_NAME))
    if not values:
        logger.warning("no pytest tests of %s could be collected: %s", project.name, outcome.feedback)
    files: defaultdict[str, list[str]] = defaultdict(list)
    for node in values[0] if values else ():
        files[node.partition("::")[0]].append(node)
    return list(files.values())


def _run_all(
    executor: Engine, project: Project, files: Sequence[Sequence[str]], tops: Sequence[str], seed: int
) -> dict[str, _Run]:
    """One run of all tests, by name; those that did not finish are missing."""
    code = sandboxed_source("project_tests.py")
    runs: dict[str, _Run] = {}

    def run(tests: Sequence[str]) -> tuple[list[Any] | None, Outcome]:
        calls = (ValueTest("survey_tests", [str(project.folder), tests, tops, seed]),)
        return executor.call(Program(code, calls, environment=_NAME))

    with show_progress(f"tests, run {seed + 1}", len(files)) as advance:
        for tests, (values, outcome) in executor.each(files, run):
            advance()
            if values and isinstance(values[0], dict):
                runs.update({test: _Run(*values[0][test]) for test in tests})
            else:
                logger.warning("tests such as %s did not finish: %s", tests[0], outcome.feedback)
    return runs


def _reason_against(runs: Sequence[_Run | None], params: OwnCodeParams) -> str | None:
    """Why a test does not count."""
    finished = [run for run in runs if run is not None]
    if len(finished) < len(runs):
        return "test_unfinished"
    if not all(run.passed for run in finished):
        return "test_flaky" if any(run.passed for run in finished) else "test_fails"
    return "test_slow" if max(run.seconds for run in finished) > params.max_test_s else None
