"""The runner of scripts: files that import the solution by a name."""

import sys
from collections.abc import Iterable
from typing import Any

from ...protocol.steps import RunStep
from ...solution.loading import write_files
from ..reports import compiled
from .places import Places
from .unittest_runner import run_as_main


def run_script_test(step: RunStep, places: Places, names: dict[str, Any]) -> None:
    """Run a script as `__main__`, beside its other files and the solution, which it imports or reads.

    The script itself is not among the files: the program could read the expected values there.

    Raises:
        TestFailedError: the script says that the program is wrong.
    """
    files = dict(step.files)
    write_files({name: text for name, text in files.items() if name != step.path})
    forget(modules_of(files))
    sys.argv = [places.test]
    run_as_main(compiled(step.source, places.test), names, places.solution)


def modules_of(files: Iterable[str]) -> set[str]:
    """Return the names that files are imported by.

    >>> sorted(modules_of(["t.py", "lib/__init__.py", "lib/sums.py", "data.txt"]))
    ['lib', 'lib.sums', 't']
    """
    modules = set()
    for name in files:
        if name.endswith(".py"):
            modules.add(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    return modules


def forget(modules: Iterable[str]) -> None:
    """Have modules imported anew: an earlier test of the program may have brought its own of the same names."""
    for name in modules:
        sys.modules.pop(name, None)
