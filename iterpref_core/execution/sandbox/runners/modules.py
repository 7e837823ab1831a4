"""Run tests that are modules: `unittest` classes, and scripts that import the solution by name."""

import sys
import unittest
from collections.abc import Iterable
from typing import Any

from ...protocol.steps import SandboxStep
from ...solution.loading import write_files
from ..reports import TestFailedError, run_source
from .cases import run_cases


def run_unittest(step: SandboxStep, path: str, solution: str, names: dict[str, Any]) -> None:
    """Run a module and the classes that it defines.

    Raises:
        TestFailedError: a case failed, or none ran.
    """
    names.setdefault("unittest", unittest)
    if not _run_module(step.source, path, solution, names):
        raise TestFailedError("no test ran")


def run_script(step: SandboxStep, path: str, solution: str, names: dict[str, Any]) -> None:
    """Run a script as `__main__`, with its other files and the solution in the same folder.

    The script itself is not written to disk, because the program could read the expected values there.

    Raises:
        TestFailedError: a case failed, or the script exits with a status that is not 0.
    """
    files = dict(step.files)
    write_files({name: text for name, text in files.items() if name != step.path})
    forget(modules_of(files))
    sys.argv = [path]
    _run_module(step.source, path, solution, names)


def _run_module(source: str, path: str, solution: str, names: dict[str, Any]) -> int:
    """Run a module and its `unittest` classes; return the number of their cases.

    Names that exist before the module runs belong to the solution; its test classes do not run.

    Raises:
        TestFailedError: a case failed, or the module exits with a status that is not 0.
    """
    # By identity: a test may bind the same name to a class of its own.
    known = {name: id(value) for name, value in names.items()}
    main: Any = unittest.main
    ran: list[int] = []

    def run_all() -> int:
        return run_cases([value for name, value in names.items() if known.get(name) != id(value)], solution)

    def run_and_exit(*_: Any, exit: bool = True, **__: Any) -> None:  # noqa: A002 - as `unittest.main` has it
        ran.append(run_all())
        if exit:
            raise SystemExit(0)

    # A test that calls `unittest.main` gets this runner, which notices skipped cases.
    vars(unittest)["main"] = run_and_exit
    try:
        exited = run_source(source, path, solution, names)
    finally:
        vars(unittest)["main"] = main
    return sum(ran) or (0 if exited else run_all())


def modules_of(files: Iterable[str]) -> set[str]:
    """Return the names under which files can be imported.

    >>> sorted(modules_of(["t.py", "lib/__init__.py", "lib/sums.py", "data.txt"]))
    ['lib', 'lib.sums', 't']
    """
    modules = set()
    for name in files:
        if name.endswith(".py"):
            modules.add(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    return modules


def forget(modules: Iterable[str]) -> None:
    """Remove modules, so that they are imported again; an earlier test may have had modules of the same names."""
    for name in modules:
        sys.modules.pop(name, None)
