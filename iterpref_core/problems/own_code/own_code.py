"""Own code as problems: functions with tests that can be relied on, and that may be shown to a model."""

import ast
import hashlib
import logging
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from iterpref_core.config import EnvironmentParams, ExecutionParams, OwnCodeParams
from iterpref_core.errors import InputError
from iterpref_core.execution import Program, open_executor, reference_outcomes
from iterpref_core.execution.interpreters import Environment
from iterpref_core.problems.own_code.function_prompt import prompt_of
from iterpref_core.problems.own_code.functions import Function, Module, find_functions, read_module, source_files
from iterpref_core.problems.own_code.license import UNKNOWN, is_allowed, license_of_folder, license_of_source
from iterpref_core.problems.own_code.project_interpreter import find_installed, pytest_plugins
from iterpref_core.problems.own_code.test_survey import Project, TestsOf, sandboxed_source, survey
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
    """A project, and where its modules are."""

    project: Project
    root: Path
    package: Path
    distribution: str
    license: str
    named: str | None
    """The name by which its tests ask for its environment; None if they run in this interpreter as it is."""


def _open_package(source: Source) -> _Code:
    python = source.python or sys.executable
    found = find_installed(python, source.what)
    package = Path(found.path)
    tests = source.tests.resolve() if source.tests is not None else package
    # A folder of tests elsewhere must be readable; the folder above it may hold another copy of the package.
    paths = (str(tests),) if source.tests is not None else ()
    return _Code(
        Project(
            source.what, Environment(python, paths), tests if paths else package.parent, tests, pytest_plugins(python)
        ),
        package.parent,
        package,
        found.distribution,
        source.license or found.license or UNKNOWN,
        source.what if source.python or paths else None,
    )


def _open_folder(source: Source) -> _Code:
    folder = Path(source.what).resolve()
    if not folder.is_dir():
        raise InputError(f"{source.what}: no such folder; give the root of a project, or --format package")
    root = folder / "src" if (folder / "src").is_dir() else folder
    tests = source.tests.resolve() if source.tests is not None else folder
    if not tests.is_relative_to(folder):
        raise InputError(f"--tests {source.tests}: is not inside {folder}; give a folder of the project")
    paths = tuple(dict.fromkeys([str(root), str(folder)]))
    license = source.license or license_of_folder(folder)
    python = source.python or sys.executable
    project = Project(folder.name, Environment(python, paths), folder, tests, pytest_plugins(python))
    return _Code(project, root, root, folder.name, license, folder.name)


def _read_modules(code: _Code, dropped: Counter[str]) -> Iterator[Module]:
    for name, path in source_files(code.root, code.package):
        module = read_module(name, path)
        if module is None:
            dropped["module_unreadable"] += 1
        else:
            yield module


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


def _script(function: Function, found: TestsOf, project: Project) -> str:
    """The script that runs a function's tests with a candidate in its place."""
    files = sorted({node.partition("::")[0] for node in found.nodes})
    hashes = {name: hashlib.sha256((project.test_root / name).read_bytes()).hexdigest() for name in files}
    lines = [
        "from own_code_replacement import Replacement",
        "from own_code_suites import Suite",
        "",
        f"suite = Suite(Replacement({function.module.name!r}, {function.qualname!r}, {function.module.sha256!r}))",
    ]
    if found.doctest:
        lines += [f"EXAMPLES = {function.docstring!r}", "assert suite.doctest_passes(EXAMPLES), suite.failure"]
    if found.nodes:
        lines += [f"FILES = {hashes!r}", "TESTS = ["]
        lines += [f"    {node!r}," for node in found.nodes]
        lines += ["]", f"PLUGINS = {list(project.plugins)!r}"]
        lines += ["assert suite.pytest_passes(FILES, TESTS, PLUGINS), suite.failure"]
    return "\n".join(lines) + "\n"


def _problem(function: Function, prompt: str, found: TestsOf, code: _Code, heldout: float) -> Problem:
    task_id = f"{code.project.name}/{function.module.name}.{function.qualname}"
    files = {
        "own_code_replacement.py": sandboxed_source("replacement.py"),
        "own_code_suites.py": sandboxed_source("project_tests.py"),
        _RUN: _script(function, found, code.project),
    }
    problem = Problem(
        task_id=task_id,
        prompt=prompt,
        entry_point=function.qualname,
        tests=(ScriptTest(module=_CANDIDATE, files=files, run=_RUN, environment=code.named),),
        reference=function.source,
        source=f"{OWN_CODE}{code.distribution}",
    )
    return hold_out(problem, heldout)


def _without_body(function: Function) -> str:
    """A candidate that does nothing but raise."""
    signature = ast.parse(function.source)
    definition = signature.body[0]
    assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)
    definition.body = ast.parse("raise NotImplementedError").body
    return ast.unparse(signature)


def _demanding(
    problems: Sequence[tuple[Problem, Function]], execution: ExecutionParams, dropped: Counter[str]
) -> list[Problem]:
    """The problems whose tests accept the reference, and refuse a function that only raises."""
    failing = set()
    with open_executor(execution) as executor:
        for problem, outcome in reference_outcomes((problem for problem, _ in problems), executor):
            if outcome is None or outcome.verdict == "passed":
                continue
            failing.add(problem.task_id)
            logger.warning("%s: its reference fails: %s: %s", problem.task_id, outcome.verdict, outcome.feedback)
        right = [(problem, function) for problem, function in problems if problem.task_id not in failing]
        outcomes = executor.run_each(right, lambda pair: Program(_without_body(pair[1]), pair[0].tests))
        kept = [problem for (problem, _), outcome in outcomes if outcome.verdict != "passed"]
    dropped["reference_fails"] += len(failing)
    dropped["tests_accept_anything"] += len(right) - len(kept)
    return kept


def _writable(functions: Sequence[Function], dropped: Counter[str]) -> list[Function]:
    """The functions that a docstring describes and that have a body to write."""
    wanted = []
    for function in functions:
        if not function.docstring:
            dropped["no_docstring"] += 1
        elif _is_stub(function):
            dropped["stub"] += 1
        else:
            wanted.append(function)
    return wanted


def _problems(
    functions: Sequence[Function],
    tests: Mapping[str, TestsOf],
    code: _Code,
    heldout: float,
    params: OwnCodeParams,
    dropped: Counter[str],
) -> Iterator[tuple[Problem, Function]]:
    for function in functions:
        found, prompt = tests.get(function.id), prompt_of(function)
        if found is None:
            dropped["no_test"] += 1
        elif reason := _reason_against(function, prompt, code.license, params):
            dropped[reason] += 1
        else:
            yield _problem(function, prompt, found, code, heldout), function


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
    counts, dropped = Counter({"tests": 0}), Counter[str]()
    functions = [function for module in _read_modules(code, dropped) for function in find_functions(module, dropped)]
    counts["functions"] = len(functions) + dropped["defined_twice"] + dropped["not_dedentable"]
    wanted = _writable(functions, dropped)
    tests = survey(code.project, wanted, execution, params, counts, dropped)
    found = list(_problems(wanted, tests, code, source.heldout, params, dropped))
    own = EnvironmentParams(python=code.project.environment.python, paths=code.project.environment.paths)
    environments = execution.environments | ({code.named: own} if code.named else {})
    kept = _demanding(found, execution.model_copy(update={"environments": environments}), dropped)
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
    if code.named is not None and execution.environments.get(code.named) != own:
        texts["environment"] = f"{code.named}: {own.model_dump_json()}"
    return result | texts
