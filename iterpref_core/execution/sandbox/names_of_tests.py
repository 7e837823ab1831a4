"""The names that tests see: those of modules of their own, and copies of the solution's."""

import sys
from types import ModuleType
from typing import Any

_OF_A_MODULE = frozenset(vars(ModuleType(""))) | {"__builtins__", "__file__"}
"""Names that each module has by itself."""


def new_module(name: str, path: str) -> ModuleType:
    """Return a fresh module for a test, which is found under its name: objects of its classes can be pickled."""
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    return module


def own_names(solution: dict[str, Any]) -> dict[str, Any]:
    """Return the names of a solution but for those that each module has."""
    return {name: value for name, value in solution.items() if name not in _OF_A_MODULE}


class SharedNames:
    """The names that all `assert` tests of a program share: a copy of the solution's, and the tests' own.

    The names that a test binds stay the tests': a helper called `check` is not put in the place of the solution's.

    Args:
        solution: the names of the solution.
    """

    def __init__(self, solution: dict[str, Any]) -> None:
        self._solution = solution
        self._copied: dict[str, Any] = {}
        self._names = vars(new_module("__main__", "test_solution.py"))

    def refreshed(self) -> dict[str, Any]:
        """Return the names, with those that the solution has bound since the last test."""
        for name, value in own_names(self._solution).items():
            if name not in self._copied or self._copied[name] is not value:
                self._copied[name] = self._names[name] = value
        return self._names
