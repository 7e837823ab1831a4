"""Give each test the names that it sees, from its own module or from a copy of the solution's names."""

import sys
from types import ModuleType
from typing import Any

_OF_A_MODULE = frozenset(vars(ModuleType(""))) | {"__builtins__", "__file__"}
"""Names that every module has."""


def new_module(name: str, path: str) -> ModuleType:
    """Return a fresh module for a test, registered in `sys.modules`, so that objects of its classes can be pickled."""
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    return module


def own_names(solution: dict[str, Any]) -> dict[str, Any]:
    """Return the names of a solution, without the names that every module has."""
    return {name: value for name, value in solution.items() if name not in _OF_A_MODULE}


class SharedNames:
    """The names that all `assert` tests of a program share: a copy of the solution's names, and the tests' own.

    A name that a test binds does not change the solution: its helper `check` does not replace the solution's `check`.

    Args:
        solution: names of the solution.
    """

    def __init__(self, solution: dict[str, Any]) -> None:
        self._solution = solution
        self._copied: dict[str, Any] = {}
        self._names = vars(new_module("__main__", "test_solution.py"))

    def refreshed(self) -> dict[str, Any]:
        """Return the names, updated with what the solution has bound since the last test."""
        for name, value in own_names(self._solution).items():
            if name not in self._copied or self._copied[name] is not value:
                self._copied[name] = self._names[name] = value
        return self._names
