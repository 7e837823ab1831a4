"""Turn a project's functions into problems, if they have reliable tests and a model may see them."""

import logging
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from iterpref_core.execution import Engine, Outcome, Program, open_executor, run_until_failure
from iterpref_core.programs.source_code.license import (
    UNKNOWN,
    is_allowed,
    license_of_folder,
    license_of_source,
    names_in,
)
from iterpref_core.records import (
    OWN_CODE,
    EnvironmentParams,
    ExecutionParams,
    OwnCodeParams,
    Problem,
    ScriptTest,
    SourceRow,
)
from iterpref_core.storage.digests import file_digest
from iterpref_core.storage.dropped import Dropped, open_dropped
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.storage.progress import watch

from .description import Author, describe
from .environments import environments_in, remember_environment
from .function_prompt import fault_of_prompt, prompt_of
from .functions import Function, find_functions, read_module, source_files
from .held_out import hold_out_nearest
from .survey import Project, Survey, file_of, inside_source, open_project, survey

logger = logging.getLogger(__name__)

_CANDIDATE = "candidate"
_RUN = "run_own_tests.py"
_RUNS = 3
"""The number of runs that a reference must pass; each starts an interpreter and pytest, in about a CPU second."""


def ingest_own_code(
    folder: Path,
    out: Path,
    params: OwnCodeParams,
    execution: ExecutionParams,
    *,
    python: str | None = None,
    license: str | None = None,
    heldout: float = 0.0,
    dropped: Path | None = None,
    keep: bool = False,
    author: Author | None = None,
) -> dict[str, int | str]:
    """Turn functions of a project, tested by its own tests, into `problems.jsonl`.

    Args:
        folder: the project's root, of one package or of several.
        out: the JSONL file of problems to write; `environments.yaml` beside it gets the project's environment.
        params: the rules for keeping tests and functions.
        execution: the limits of the runs.
        python: the project's interpreter; None is the one of `execution.environments`, else this one.
        license: the license of code that states none, an SPDX expression.
        heldout: the share of the problems to hold out.
        dropped: JSONL to write every function, test and file that is left out to, with its reason; not written by
            default.
        keep: also take functions that hold keys or e-mail addresses.
        author: the model that describes functions without a docstring; None: they are left out.

    Returns:
        The counts `functions`, `tests`, `problems`, with an author `described` ones among them, and `heldout` if a
        share was asked for; `dropped/<reason>` of functions and `dropped/test_<reason>` of tests; `license`; and, if
        `execution.environments` lacks the project's, `environment` with the option that other verbs need.

    Raises:
        InputError: the project is absent, or has no function that can be used.
        ConfigError: the interpreter cannot be used.
        IterPrefError: the author cannot be had, or its budget is spent. Run the same again to go on.
    """
    named = execution.environments.get(folder.resolve().name)
    variables = dict(named.variables) if named else {}
    project = open_project(folder, python or (named.python if named else sys.executable), variables)
    stated = license_of_folder(folder, license)
    places = project.environment
    environment = EnvironmentParams(python=places.python, paths=places.paths, variables=variables)
    # The environment of this project counts before params.yaml names it. A broken file is told before the tests run.
    known = environments_in(out.parent) | execution.environments | {project.name: environment}
    counts = Counter({"functions": 0, "tests": 0})
    kept: list[Problem] = []
    with (
        open_dropped(dropped) as drops,
        open_executor(execution.model_copy(update={"environments": known})) as executor,
    ):
        # Find functions, run the project's tests, and run each reference as a candidate would. Only what has held so
        # far is worth a description.
        describing = author is not None
        wanted = list(drops.keep(_functions_to_write(project.folder, stated, params, counts, describe=describing)))
        if wanted:
            surveyed = survey(project, wanted, execution, counts, drops)
            drafted = list(drops.keep(_drafted(project, wanted, surveyed, stated, keep=keep)))
            kept = list(drops.keep(sound(drafted, executor)))
        if author and kept:
            functions = {_task_id(project, function): function for function in wanted}
            described = describe(
                kept,
                functions,
                surveyed,
                project.folder,
                author,
                executor,
                may_read=lambda module: is_allowed(license_of_source(module.source, stated), params.licenses),
                keep=keep,
            )
            kept = list(drops.keep(described))
        kept = hold_out_nearest(kept, heldout)
    if not kept:
        raise drops.nothing_taken("problem", [folder], "docs/own-code.md has the reasons")
    counts["problems"] = len(kept)
    if author:
        counts["described"] = sum(problem.described_by is not None for problem in kept)
    unlicensed = sum(problem.license == UNKNOWN for problem in kept)
    if unlicensed:
        way = "give --license SPDX before you publish what comes of them, or own_code.licenses without unknown"
        logger.warning("%s: %d problems are of code that states no license: %s", folder, unlicensed, way)
    if heldout:
        counts["heldout"] = sum(problem.split == "heldout" for problem in kept)
    write_jsonl(out, kept)
    if out.is_file():  # a dry run writes to /dev/null
        remember_environment(out.parent, project.name, environment)
    result: dict[str, int | str] = {**counts, **dict(sorted(drops.counts.items())), "license": stated}
    # Other verbs need the interpreter, so the user gets the option to add.
    if execution.environments.get(project.name) != environment:
        values = (f"{name}={value}" for name, value in variables.items())
        stated = os.pathsep.join([f"{project.name}={environment.python}", str(project.folder), *values])
        result["environment"] = f"--environment {shlex.quote(stated)}"
    return result


def _drafted(
    project: Project,
    functions: Iterable[Function],
    surveyed: Survey,
    license: str,
    *,
    keep: bool,
) -> Iterator[list[Problem] | Dropped]:
    """Yield the problem of each function that has tests, and that a model may see, with each choice of its tests."""
    for function in functions:
        file = function.module.file
        if function.id not in surveyed.tests:
            explanation = ", ".join(surveyed.failing.get(function.id, ()))
            if surveyed.tests and file not in surveyed.names:
                explanation = f"no test imports {file}; an installed copy of it may be in the way"
            yield function.dropped("no_test", explanation)
            continue
        prompt = prompt_of(function, surveyed.names[file], surveyed.tests)
        reason, explanation = fault_of_prompt(prompt, function, keep=keep)
        if reason:
            yield function.dropped(reason, explanation)
            continue
        stated = license_of_source(function.module.source, license)
        scripts = [_script(function, tests, surveyed.without, project) for tests in surveyed.tests[function.id]]
        yield [_problem(function, prompt, script, project, stated) for script in scripts]


def _functions_to_write(
    folder: Path, license: str, params: OwnCodeParams, counts: Counter[str], *, describe: bool
) -> Iterator[Function | Dropped]:
    """Yield the functions that a docstring describes, or that a model is to describe, and whose license is allowed."""
    for path in source_files(folder):
        module = read_module(folder, path)
        if module is None:
            yield Dropped("module_unreadable", str(path), "", "this Python cannot parse the file")
            continue
        # A header in the file counts before the license of the project.
        stated = license_of_source(module.source, license)
        allowed = is_allowed(stated, params.licenses)
        for function in find_functions(module, private=params.private):
            counts["functions"] += 1
            if isinstance(function, Dropped):
                yield function
            elif not (function.docstring or describe):
                yield function.dropped("no_docstring")
            elif not allowed:
                # `--license` is for code that states none.
                names = ", ".join(names_in(stated))
                way = "add --license SPDX" if stated == UNKNOWN else f"--set 'own_code.licenses=[{names}]' takes it"
                yield function.dropped("license", f"{stated} is not in own_code.licenses; {way}")
            else:
                yield function


def _task_id(project: Project, function: Function) -> str:
    return f"{project.name}/{function.module.name}.{function.qualname}"


def _problem(
    function: Function,
    prompt: str,
    script: str,
    project: Project,
    license: str,
) -> Problem:
    files = {
        "own_code_replacement.py": inside_source("replacement.py"),
        "own_code_tests.py": inside_source("project_tests.py"),
        _RUN: script,
    }
    place = SourceRow(
        file=f"{project.name}/{function.module.file}",
        row=function.node.lineno,
        digest=file_digest(function.module.path),
        license=license,
    )
    return Problem(
        task_id=_task_id(project, function),
        prompt=prompt,
        entry_point=function.qualname,
        tests=(ScriptTest(module=_CANDIDATE, files=files, run=_RUN, environment=project.name),),
        reference=function.text(),
        source=f"{OWN_CODE}{project.name}",
        license=license,
        provenance=(place,),
    )


def _script(function: Function, tests: Sequence[str], plugins: Sequence[str], project: Project) -> str:
    """Return the script that runs tests, without some plugins, with a candidate in the function's place."""
    # The module and its test files must not change after the ingestion: their digests are checked.
    files = set(map(file_of, tests))
    files.add(function.module.file)
    # `tests/test_a.py` → its SHA-256, as the script compares it.
    hashes = {name: file_digest(project.folder / name) for name in sorted(files)}
    shown = "".join(f"    {node!r},\n" for node in tests)
    without = f", without={plugins!r}" if plugins else ""
    return f"""\
from own_code_replacement import Replacement
from own_code_tests import failure_of

candidate = Replacement({function.module.file!r}, {function.qualname!r})
FILES = {hashes!r}
TESTS = [
{shown}]
failure = failure_of(candidate, FILES, TESTS{without})
assert not failure, failure
"""


def sound(choices: Sequence[Sequence[Problem]], executor: Engine) -> Iterator[Problem | Dropped]:
    """Yield each problem with the first choice of its tests that accepts the reference in every run."""

    def run(problem: Problem) -> tuple[int, Outcome]:
        program = Program(problem.reference or "", problem.tests)
        return run_until_failure(_RUNS, lambda _: executor.run_one(program))

    def run_choices(problems: Sequence[Problem]) -> tuple[Problem, int, Outcome]:
        for problem in problems:
            number, outcome = run(problem)
            # What fails at times would do so with other tests, too, unless time ran out.
            if outcome.verdict == "passed" or (number and outcome.verdict != "timeout"):
                break
        return problem, number, outcome

    for _, (problem, number, outcome) in watch("references", len(choices), executor.each(choices, run_choices)):
        if outcome.verdict == "passed":
            yield problem
        else:
            explanation = f"run {number + 1}: {outcome.verdict}: {outcome.feedback}"
            logger.warning("%s: its reference fails: %s", problem.task_id, explanation)
            yield Dropped("flaky" if number else "reference_fails", problem.entry_point, problem.task_id, explanation)
