"""Own code as problems: functions with tests that can be relied on, and that may be shown to a model."""

import ast
import hashlib
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from iterpref_core.config import EnvironmentParams, ExecutionParams, OwnCodeParams
from iterpref_core.errors import InputError
from iterpref_core.execution import Engine, Program, open_executor
from iterpref_core.execution.interpreters import Environment
from iterpref_core.problems.own_code.function_prompt import prompt_of
from iterpref_core.problems.own_code.functions import Function, find_functions, read_module, source_files
from iterpref_core.problems.own_code.license import UNKNOWN, is_allowed, license_of_folder, license_of_source
from iterpref_core.problems.own_code.project_interpreter import find_installed, pytest_plugins
from iterpref_core.problems.own_code.test_survey import Project, sandboxed_source, survey
from iterpref_core.problems.problems import hold_out
from iterpref_core.records import OWN_CODE, Problem, ScriptTest
from iterpref_core.screening.privacy import reason_to_withhold
from iterpref_core.storage.jsonl import write_jsonl

logger = logging.getLogger(__name__)

Format = Literal["package", "folder"]

_CANDIDATE, _RUN = "candidate", "run_own_tests.py"


@dataclass(frozen=True)
class Source:
    """What `iterpref ingest` was given.

    Attributes:
        what: the import name of a package, or a folder.
        form: which of the two.
        python: the project's interpreter; None is this one.
        tests: the folder of its tests; None looks for them in the package or the folder.
        license: what the code is under, if it does not say so itself; an SPDX expression.
        heldout: share of the problems to hold out.
    """

    what: str
    form: Format
    python: str | None = None
    tests: Path | None = None
    license: str | None = None
    heldout: float = 0.0


@dataclass(frozen=True)
class _Code:
    """A project, and where its modules are.

    `named` is what its tests call its environment by; None if they run in this interpreter as it is.
    """

    project: Project
    root: Path
    package: Path
    distribution: str
    license: str
    named: str | None

    @property
    def environment(self) -> EnvironmentParams:
        """What stands for the name in `execution.environments`."""
        return EnvironmentParams(python=self.project.environment.python, paths=self.project.environment.paths)


def ingest_own_code(
    source: Source, out: Path, params: OwnCodeParams, execution: ExecutionParams
) -> dict[str, float | str]:
    """Turn functions of a package or folder, tested by the project's own tests, into `problems.jsonl`.

    Args:
        source: the project.
        out: JSONL of problems to write.
        params: which tests and functions are kept.
        execution: limits for running them.

    Returns:
        `functions`, `tests` and `problems`; `heldout`, how many of these, if a share was asked for; `dropped/<reason>`
        of functions and `dropped/test_<reason>` of tests; `license`; and `environment`: what to put into
        `execution.environments`, if running the problems needs it.

    Raises:
        InputError: the project is not there, or nothing of it can be used.
        ConfigError: the interpreter cannot be used.
    """
    code = _open_package(source) if source.form == "package" else _open_folder(source)
    counts, dropped = Counter({"functions": 0, "tests": 0, "problems": 0}), Counter[str]()
    wanted = list(_functions_to_write(code, counts, dropped))
    tests = survey(code.project, wanted, execution, params, counts, dropped)
    drafted = []
    for function in wanted:
        found, prompt = tests.get(function.id), prompt_of(function)
        if found is None:
            dropped["no_test"] += 1
        elif reason := _reason_against(function, prompt, code.license, params):
            dropped[reason] += 1
        else:
            drafted.append((hold_out(_problem(function, prompt, found, code), source.heldout), function))
    environments = execution.environments | ({code.named: code.environment} if code.named else {})
    with open_executor(execution.model_copy(update={"environments": environments})) as executor:
        kept = list(_demanding(drafted, executor, dropped))
    counts["problems"] = len(kept)
    if source.heldout:
        counts["heldout"] = sum(problem.split == "heldout" for problem in kept)
    result = {name: float(count) for name, count in counts.items()}
    result |= {f"dropped/{name}": float(count) for name, count in sorted(dropped.items()) if count}
    if not kept:
        listed = ", ".join(f"{name} {count:g}" for name, count in result.items())
        raise InputError(
            f"{source.what}: no problem to ingest ({listed}; license {code.license}); docs/own-code.md has the reasons"
        )
    write_jsonl(out, kept)
    texts = {"license": code.license}
    if code.named is not None and execution.environments.get(code.named) != code.environment:
        texts["environment"] = f"{code.named}: {code.environment.model_dump_json()}"
    return result | texts


def _open_package(source: Source) -> _Code:
    python = source.python or sys.executable
    found = find_installed(python, source.what)
    package = Path(found.path)
    # A folder of tests elsewhere must be readable; the folder above it may hold another copy of the package.
    tests, root = package, package.parent
    if source.tests is not None:
        tests = root = source.tests.resolve()
    paths = (str(tests),) if source.tests is not None else ()
    project = Project(source.what, Environment(python, paths), root, tests, pytest_plugins(python))
    license = source.license or found.license or UNKNOWN
    named = source.what if source.python or paths else None
    return _Code(project, package.parent, package, found.distribution, license, named)


def _open_folder(source: Source) -> _Code:
    folder = Path(source.what).resolve()
    if not folder.is_dir():
        raise InputError(f"{source.what}: no such folder; give the root of a project, or --format package")
    root = folder / "src" if (folder / "src").is_dir() else folder
    tests = source.tests.resolve() if source.tests is not None else folder
    if not tests.is_relative_to(folder):
        raise InputError(f"--tests {source.tests}: is not inside {folder}; give a folder of the project")
    paths = tuple(dict.fromkeys([str(root), str(folder)]))
    python = source.python or sys.executable
    project = Project(folder.name, Environment(python, paths), folder, tests, pytest_plugins(python))
    return _Code(project, root, root, folder.name, source.license or license_of_folder(folder), folder.name)


def _functions_to_write(code: _Code, counts: Counter[str], dropped: Counter[str]) -> Iterator[Function]:
    """The functions that a docstring describes and that have a body to write."""
    for name, path in source_files(code.root, code.package):
        module = read_module(name, path)
        if module is None:
            dropped["module_unreadable"] += 1
            continue
        for function in find_functions(module):
            counts["functions"] += 1
            if isinstance(function, str):
                dropped[function] += 1
            elif not function.docstring:
                dropped["no_docstring"] += 1
            elif _is_stub(function):
                dropped["stub"] += 1
            else:
                yield function


def _is_stub(function: Function) -> bool:
    """Whether there is nothing to write: no statement besides docstring, `pass`, `...` and raising."""
    return all(
        isinstance(node, ast.Pass | ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in function.node.body
    )


def _reason_against(function: Function, prompt: str, license: str, params: OwnCodeParams) -> str | None:
    """Why a function must not, or need not, become a problem."""
    if not is_allowed(license_of_source(function.module.source, license), params.licenses):
        return "license"
    if len(prompt) > params.max_prompt_chars:
        return "long_prompt"
    return reason_to_withhold(f"{prompt}\n{function.source}")


def _problem(function: Function, prompt: str, found: Sequence[str], code: _Code) -> Problem:
    files = {
        "own_code_replacement.py": sandboxed_source("replacement.py"),
        "own_code_tests.py": sandboxed_source("project_tests.py"),
        _RUN: _script(function, found, code.project),
    }
    return Problem(
        task_id=f"{code.project.name}/{function.module.name}.{function.qualname}",
        prompt=prompt,
        entry_point=function.qualname,
        tests=(ScriptTest(module=_CANDIDATE, files=files, run=_RUN, environment=code.named),),
        reference=function.source,
        source=f"{OWN_CODE}{code.distribution}",
    )


def _script(function: Function, tests: Sequence[str], project: Project) -> str:
    """The script that runs a function's tests with a candidate in its place."""
    files = sorted({node.partition("::")[0] for node in tests})
    hashes = {name: hashlib.sha256((project.test_root / name).read_bytes()).hexdigest() for name in files}
    lines = [
        "from own_code_replacement import Replacement",
        "from own_code_tests import failure_of",
        "",
        f"candidate = Replacement({function.module.name!r}, {function.qualname!r}, {function.module.sha256!r})",
        f"FILES = {hashes!r}",
        "TESTS = [",
        *(f"    {node!r}," for node in tests),
        "]",
        f"failure = failure_of(candidate, FILES, TESTS, {list(project.plugins)!r})",
        "assert not failure, failure",
    ]
    return "\n".join(lines) + "\n"


def _demanding(
    problems: Iterable[tuple[Problem, Function]], executor: Engine, dropped: Counter[str]
) -> Iterator[Problem]:
    """The problems whose tests accept the reference, and refuse a function that only raises."""
    for (problem, function), reference in executor.run_each(
        problems, lambda pair: Program(pair[1].source, pair[0].tests)
    ):
        if reference.verdict != "passed":
            dropped["reference_fails"] += 1
            logger.warning("%s: its reference fails: %s: %s", problem.task_id, reference.verdict, reference.feedback)
        elif executor.run_one(Program(_without_body(function), problem.tests)).verdict == "passed":
            dropped["tests_accept_anything"] += 1
        else:
            yield problem


def _without_body(function: Function) -> str:
    """A candidate that does nothing but raise."""
    signature = ast.parse(function.source)
    definition = signature.body[0]
    assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)
    definition.body = ast.parse("raise NotImplementedError").body
    return ast.unparse(signature)
