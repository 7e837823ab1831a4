"""Turn a project's functions into problems, if they have reliable tests and a model may see them."""

import logging
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from iterpref_core.execution import Engine, Program, open_executor
from iterpref_core.programs.source_code.license import UNKNOWN, is_allowed, license_of_folder, license_of_source
from iterpref_core.programs.source_code.private_data import find_private
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

from ..composition.problem_splits import hold_out_nearest
from .description import Author, describe
from .environments import environments_in, remember_environment
from .function_prompt import MAX_PROMPT_CHARS, prompt_of
from .functions import Function, find_functions, read_module, source_files
from .survey import Project, Survey, inside_source, open_project, survey

logger = logging.getLogger(__name__)

_CANDIDATE = "candidate"
_RUN = "run_own_tests.py"


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
        folder: the project's root. Modules are imported from its `src` if there is one, else from the root itself.
        out: the JSONL file of problems to write; `environments.yaml` beside it gets the project's environment.
        params: the rules for keeping tests and functions.
        execution: the limits of the runs.
        python: the project's interpreter; None is this one.
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
    project = open_project(folder, python or sys.executable)
    stated = license_of_folder(folder, license)
    environment = EnvironmentParams(python=project.environment.python, paths=project.environment.paths)
    # The environment of this project counts before params.yaml names it. A broken file is told before the tests run.
    known = environments_in(out.parent) | execution.environments | {project.name: environment}
    counts = Counter({"functions": 0, "tests": 0})
    with (
        open_dropped(dropped) as drops,
        open_executor(execution.model_copy(update={"environments": known})) as executor,
    ):
        # Find functions, run the project's tests, and run each reference as a candidate would. Only what has held so
        # far is worth a description.
        wanted = list(drops.keep(_functions_to_write(project.root, counts, describe=author is not None)))
        surveyed = survey(project, wanted, execution, counts, drops)
        drafted = list(drops.keep(_drafted(project, wanted, surveyed, stated, params, keep=keep)))
        sound = list(drops.keep(_sound(drafted, executor)))
        if author:
            functions = {_task_id(project, function): function for function in wanted}
            described = describe(
                sound,
                functions,
                surveyed.tests,
                project.folder,
                author,
                executor,
                may_read=lambda module: is_allowed(license_of_source(module.source, stated), params.licenses),
                keep=keep,
            )
            sound = list(drops.keep(described))
        kept = hold_out_nearest(sound, heldout)
    if not kept:
        raise drops.nothing_taken("problem", [folder], "docs/own-code.md has the reasons")
    counts["problems"] = len(kept)
    if author:
        counts["described"] = sum(problem.described_by is not None for problem in kept)
    if heldout:
        counts["heldout"] = sum(problem.split == "heldout" for problem in kept)
    write_jsonl(out, kept)
    if out.is_file():  # a dry run writes to /dev/null
        remember_environment(out.parent, project.name, environment)
    result: dict[str, int | str] = {**counts, **dict(sorted(drops.counts.items())), "license": stated}
    # Other verbs need the interpreter, so the user gets the option to add.
    if execution.environments.get(project.name) != environment:
        stated = f"{project.name}={environment.python}{os.pathsep}{project.folder}"
        result["environment"] = f"--environment {shlex.quote(stated)}"
    return result


def _drafted(
    project: Project,
    functions: Iterable[Function],
    surveyed: Survey,
    license: str,
    params: OwnCodeParams,
    *,
    keep: bool,
) -> Iterator[Problem | Dropped]:
    """Yield the problems of the functions that have tests, and that a model may see."""
    for function in functions:
        # A header in the file counts before the license of the project.
        stated_license = license_of_source(function.module.source, license)
        reason: str | None = None
        explanation = ""
        if function.id not in surveyed.tests:
            reason = "no_test"
            explanation = ", ".join(surveyed.failing.get(function.id, ()))
        elif not is_allowed(stated_license, params.licenses):
            reason = "license"
            unknown = "none is stated; add --license SPDX, or take such code: --set own_code.licenses=[unknown]"
            explanation = unknown if stated_license == UNKNOWN else f"{stated_license} is not in own_code.licenses"
        elif len(prompt := prompt_of(function, surveyed.tests)) > MAX_PROMPT_CHARS:
            reason = "long_prompt"
        elif not keep:
            found = find_private(f"{prompt}\n{function.text()}")
            reason = found and found.reason
        if reason is None:
            yield _problem(function, prompt, surveyed, project, stated_license)
        else:
            yield function.dropped(reason, explanation)


def _functions_to_write(root: Path, counts: Counter[str], *, describe: bool) -> Iterator[Function | Dropped]:
    """Yield the functions that a docstring describes, or that a model is to describe."""
    for name, path in source_files(root):
        module = read_module(name, path)
        if module is None:
            yield Dropped("module_unreadable", str(path), name, "this Python cannot parse the file")
            continue
        for function in find_functions(module):
            counts["functions"] += 1
            if isinstance(function, Dropped) or function.docstring or describe:
                yield function
            else:
                yield function.dropped("no_docstring")


def _task_id(project: Project, function: Function) -> str:
    return f"{project.name}/{function.module.name}.{function.qualname}"


def _problem(
    function: Function,
    prompt: str,
    surveyed: Survey,
    project: Project,
    license: str,
) -> Problem:
    files = {
        "own_code_replacement.py": inside_source("replacement.py"),
        "own_code_tests.py": inside_source("project_tests.py"),
        _RUN: _script(function, surveyed, project),
    }
    place = SourceRow(
        file=str(Path(project.name, function.module.path.relative_to(project.folder))),
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


def _script(function: Function, surveyed: Survey, project: Project) -> str:
    """Return the script that runs a function's tests with a candidate in the function's place."""
    tests = surveyed.tests[function.id]
    # The module and its test files must not change after the ingestion: their digests are checked.
    files = {node.partition("::")[0] for node in tests}
    files.add(str(function.module.path.relative_to(project.folder)))
    # `tests/test_a.py` → its SHA-256, as the script compares it.
    hashes = {name: file_digest(project.folder / name) for name in sorted(files)}
    shown = "".join(f"    {node!r},\n" for node in tests)
    without = f", without={surveyed.without!r}" if surveyed.without else ""
    return f"""\
from own_code_replacement import Replacement
from own_code_tests import failure_of

candidate = Replacement({function.module.name!r}, {function.qualname!r})
FILES = {hashes!r}
TESTS = [
{shown}]
failure = failure_of(candidate, FILES, TESTS{without})
assert not failure, failure
"""


def _sound(problems: Sequence[Problem], executor: Engine) -> Iterator[Problem | Dropped]:
    """Yield the problems whose tests accept the reference."""
    ran = executor.run_each(problems, lambda each: Program(each.reference or "", each.tests))
    for problem, outcome in watch("references", len(problems), ran):
        if outcome.verdict == "passed":
            yield problem
        else:
            explanation = f"{outcome.verdict}: {outcome.feedback}"
            logger.warning("%s: its reference fails: %s", problem.task_id, explanation)
            yield Dropped("reference_fails", problem.entry_point, problem.task_id, explanation)
