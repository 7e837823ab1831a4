"""Run a project's tests once, to learn which functions each test calls and which tests are reliable.

All tests run isolated, in the project's own environment, watched.
"""

import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from iterpref_core.execution import Engine, Executor, Limits, Outcome, Program, ValueTest
from iterpref_core.execution.isolation.interpreters import Environment, runtime_of
from iterpref_core.records import ExecutionParams, InputError
from iterpref_core.storage.dropped import Dropped, DroppedRows
from iterpref_core.storage.progress import show_progress

from .functions import Function, import_roots, python_files

logger = logging.getLogger(__name__)

_INSIDE = Path(__file__).with_name("inside")
_LIMITS = Limits(cpu_s=120, wall_s=600, memory_mb=2048, output_kb=1024, file_mb=64)
"""The limits of `TOGETHER` tests."""
TOGETHER = 50
"""The most tests of a file that run in one process: a test that never ends takes the others with it."""
_NAME = "survey"
_REFUSED = "PermissionError: [Errno 1]"
"""The failure of a test that starts a program or a process, which the sandbox refuses."""
_VARIABLE = re.compile(r"""\b(?:environ(?:\.get)?|getenv)[\[(]\s*["'](\w+)["']""")
"""Code that asks for a variable of the environment."""
_ALWAYS_SET = ("HOME", "TMPDIR")
MAX_TESTS = 100
"""The most tests of a function. Most take a millisecond, and a start of pytest a hundred; ten let pass a sixth of the
mutants that all tests catch."""
_SHARE_OF_A_TEST = 0.25
_SHARE_OF_TESTS = 0.5
_SHARE_OF_FEW = 0.125
"""The shares of a program's CPU seconds (`execution.cpu_s`) that one test, the tests of a function, and few of them may
take on the original code. Candidates start pytest, and import its plugins and the files of the tests, too."""


@dataclass(frozen=True)
class Project:
    """A project whose functions become problems.

    Attributes:
        folder: the project's root. The ids of its tests are relative to this folder.
        environment: the project's interpreter, with the folders that it needs.
    """

    folder: Path
    environment: Environment

    @property
    def name(self) -> str:
        """The name of the folder, which is also the name of the problems' environment."""
        return self.folder.name


def open_project(folder: Path, python: str, variables: Mapping[str, str] | None = None) -> Project:
    """Open a project whose tests see some variables of the environment.

    Raises:
        InputError: the folder is absent.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the root of a project")
    folder = folder.resolve()
    # Tests import from the project's `src` and from its root, and packages that begin elsewhere from there.
    places = [folder / "src", folder, *map(Path, import_roots(folder))]
    paths = dict.fromkeys(str(place) for place in places if place.is_dir())
    # A path counts from where the verb is started; programs run elsewhere. A link stays, since a virtual environment
    # is known by it.
    if os.sep in python:
        python = str(Path(python).absolute())
    return Project(folder, Environment(python, tuple(paths), variables=tuple((variables or {}).items())))


class Run(NamedTuple):
    """One run of a test.

    Attributes:
        failure: empty if the test passed.
        seconds: CPU seconds; None: the run did not finish.
        called: the functions that the test called.
        at_import: the functions that its file called while it was imported.
    """

    failure: str
    seconds: float | None
    called: list[str]
    at_import: list[str]


class Survey(NamedTuple):
    """The tests of a project's functions.

    Attributes:
        tests: `Function.id` → the choices of its tests, by `choices_of_tests`. Functions without tests are absent.
        failing: `Function.id` → the tests that called the function and are left out, each with its reason.
        names: `Module.file` → the name by which tests import the file. Files that no test imports are absent.
        without: the environment's plugins that the tests run without.
    """

    tests: dict[str, list[list[str]]]
    failing: dict[str, list[str]]
    names: dict[str, str]
    without: list[str]


def inside_source(name: str) -> str:
    """Return the text of a module that runs in the sandbox."""
    return (_INSIDE / name).read_text(encoding="utf-8")


def survey(
    project: Project,
    functions: Sequence[Function],
    execution: ExecutionParams,
    counts: Counter[str],
    drops: DroppedRows,
) -> Survey:
    """Run all tests and find the tests of each function.

    Args:
        project: the project with its environment.
        functions: the functions that need tests.
        execution: the number of workers, the permission for weak isolation, and the time of a program.
        counts: grows by `tests`.
        drops: takes the tests that do not count (`test_<reason>`), files that cannot be collected (`not_collected`),
            and plugins that cannot be loaded (`plugin`).
    """
    # Calls are recorded in the files of these functions.
    watched = sorted({function.module.file for function in functions})
    fine: dict[str, Run] = {}
    names: dict[str, str] = {}
    failing: defaultdict[str, list[str]] = defaultdict(list)
    with Executor(
        _LIMITS,
        workers=execution.workers,
        allow_unsafe=execution.allow_unsafe,
        environments={_NAME: project.environment},
    ) as executor:
        files, without = _collect(executor, project, drops)
        for test, run in _run_all(executor, project, files, watched, without, names):
            counts["tests"] += 1
            reason, explanation = _reason_against(run, execution.cpu_s)
            if not reason:
                fine[test] = run
                continue
            drops.add(Dropped(reason, file_of(test), test, explanation))
            for function_called in run.called:
                failing[function_called].append(f"{test} ({reason})")
    asked = _variables_in(project.folder) - {*dict(project.environment.variables), *_ALWAYS_SET}
    if asked and drops.counts.keys() & {"dropped/not_collected", "dropped/test_fails"}:
        unset = ", ".join(sorted(asked))
        logger.warning(
            "%s: tests see no variables but those that --environment names; not set: %s", project.name, unset
        )
    tests_of: dict[str, list[list[str]]] = {}
    for function in functions:
        # A function is tested by each test that called it. Without such a test it is tested by those of a file that
        # needs it for its import.
        callers = {test: run for test, run in fine.items() if function.id in run.called}
        callers = callers or {test: run for test, run in fine.items() if function.id in run.at_import}
        if callers:
            tests_of[function.id] = choices_of_tests(callers, fine, execution.cpu_s)
    return Survey(tests_of, failing, names, without)


def file_of(test: str) -> str:
    """Return the file of a test, given by pytest's id such as `tests/test_a.py::TestClass::test_b`."""
    return test.partition("::")[0]


def choices_of_tests(callers: Mapping[str, Run], fine: Mapping[str, Run], cpu_s: float) -> list[list[str]]:
    """Return the choices of a function's tests, of which the first that the original passes is taken.

    They are as `chosen_tests` has them; all reliable tests of their files, if there is room, since some pass behind
    others alone; and few of one file, since CPU seconds vary.

    Args:
        callers: the tests that call the function, each with its run on the original code.
        fine: all reliable tests, in the order in which they run.
        cpu_s: the CPU seconds of a program.
    """
    room = _SHARE_OF_TESTS * cpu_s
    chosen = chosen_tests(callers, room)
    files = set(map(file_of, chosen))
    choices = [chosen]
    beside = [test for test in fine if file_of(test) in files]
    has_room = sum(fine[test].seconds or 0.0 for test in beside) <= room
    if has_room and len(beside) > len(chosen):
        choices.append(beside)
    closest = {test: run for test, run in callers.items() if file_of(test) == file_of(chosen[0])}
    few = chosen_tests(closest, _SHARE_OF_FEW * cpu_s)
    if 0 < len(few) < len(chosen):
        choices.append(few)
    return choices


def chosen_tests(callers: Mapping[str, Run], cpu_s: float) -> list[str]:
    """Return the tests of a function that candidates have to pass: all, if there is room for them.

    One set of parameters of each test comes before a second one of any, and of several tests the one that calls fewer
    functions, which checks each of them more closely. Many sets of parameters of a simple test thus leave room for the
    others.

    Args:
        callers: the tests that call the function, each with its run on the original code.
        cpu_s: the CPU seconds of all tests together.
    """
    sets: Counter[str] = Counter()
    places = {}
    for test in sorted(callers, key=lambda test: len(callers[test].called)):
        # `test_f[1-2]` is the test `test_f` with parameters.
        name = test.partition("[")[0]
        places[test] = sets[name]
        sets[name] += 1
    chosen: list[str] = []
    for test in sorted(places, key=places.__getitem__):
        seconds = callers[test].seconds or 0.0
        if seconds <= cpu_s:
            cpu_s -= seconds
            chosen.append(test)
    return chosen[:MAX_TESTS]


def _collect(executor: Engine, project: Project, drops: DroppedRows) -> tuple[list[list[str]], list[str]]:
    """Collect the project's tests; `drops` takes the files and plugins with errors.

    Returns:
        The ids of the tests, a list for each file; and the plugins that are not loaded, since pytest cannot run with
        them.

    Raises:
        InputError: the project's environment has no pytest.
    """
    program = Program(
        code=inside_source("project_tests.py"),
        tests=(ValueTest("collect_tests", [str(project.folder)]),),
        environment=_NAME,
    )
    values, outcome = executor.call(program)
    python = project.environment.python
    if not values and "pytest" not in runtime_of(project.environment).preload:
        raise InputError(f"{python}: has no pytest, which runs the project's tests: {python} -m pip install pytest")
    found: dict[str, Any] = (
        values[0] if values else {"tests": [], "plugins": {}, "not_collected": {".": outcome.feedback}}
    )
    dropped = [Dropped("plugin", python, name, line) for name, line in found["plugins"].items()]
    dropped += [Dropped("not_collected", file, file, error) for file, error in found["not_collected"].items()]
    for row in dropped:
        drops.add(row)
        logger.warning("%s: %s: %s", row.task_id, row.reason, row.first_line)
    tests_of_file: defaultdict[str, list[str]] = defaultdict(list)
    for node in found["tests"]:
        tests_of_file[file_of(node)].append(node)
    return list(tests_of_file.values()), list(found["plugins"])


def _run_all(
    executor: Engine,
    project: Project,
    files: list[list[str]],
    watched: Sequence[str],
    without: list[str],
    names: dict[str, str],
) -> Iterator[tuple[str, Run]]:
    """Run all tests, without some plugins, and yield each with its run; `names` grows by the watched files' names."""
    code = inside_source("project_tests.py")

    def run(tests: Sequence[str]) -> tuple[list[Any] | None, Outcome]:
        call = ValueTest("survey_tests", [str(project.folder), tests, watched, without])
        return executor.call(Program(code, (call,), environment=_NAME))

    groups = [tests[start : start + TOGETHER] for tests in files for start in range(0, len(tests), TOGETHER)]
    with show_progress("tests", sum(map(len, groups))) as advance:
        for tests, (values, outcome) in executor.each(groups, run):
            advance(len(tests))
            # A run that ended early has no results for any of its tests.
            found, imported = values[0] if values else ({}, {})
            names.update(imported)
            if not found:
                logger.warning("tests such as %s did not finish: %s", tests[0], outcome.feedback)
            unfinished: Any = (f"{outcome.verdict}: {outcome.feedback}", None, [], [])
            for test in tests:
                yield test, Run(*found.get(test, unfinished))


def _variables_in(folder: Path) -> set[str]:
    """Return the variables of the environment that the files of a project, tests among them, seem to ask for."""
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in python_files(folder))
    return {name for text in texts for name in _VARIABLE.findall(text)}


def _reason_against(run: Run, cpu_s: float) -> tuple[str, str]:
    """Return the reason why a test is left out, and an explanation; both are empty for a test that counts.

    A program may take `cpu_s` seconds of CPU time.
    """
    if run.seconds is None:
        return "test_unfinished", run.failure
    if _REFUSED in run.failure:
        return "test_starts_program", f"the sandbox starts no programs: {run.failure}"
    if run.failure:
        return "test_fails", run.failure
    limit = _SHARE_OF_A_TEST * cpu_s
    if run.seconds > limit:
        return "test_slow", f"it takes {run.seconds:.2g} CPU seconds of {limit:.2g} (a quarter of execution.cpu_s)"
    return "", ""
