"""Modules of tests: the names that the files of a test are imported by."""

import sys
from collections.abc import Iterable


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
