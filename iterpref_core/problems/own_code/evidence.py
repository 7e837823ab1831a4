"""Collect what shows how a function behaves besides its source: the functions that call it, and its tests."""

import ast
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from .functions import Function, Module, all_functions, read_module

MAX_CALLERS = 3
"""The most callers of a function that are shown; those of its own module come first."""


class Callers:
    """The functions of modules by the names that they use.

    Args:
        modules: the modules, tests not among them.
    """

    def __init__(self, modules: Iterable[Module]) -> None:
        self._users: defaultdict[str, list[Function]] = defaultdict(list)
        for function in (each for module in modules for each in all_functions(module)):
            nodes = ast.walk(function.node)
            used = (getattr(node, "id", None) or getattr(node, "attr", None) for node in nodes)
            for name in filter(None, dict.fromkeys(used)):
                self._users[name].append(function)

    def of(self, function: Function) -> list[Function]:
        """Return the functions that seem to call a function, since they use its name."""
        others = (user for user in self._users[called_name(function)] if user.id != function.id)
        # The sort is stable: the order of the modules decides among equals.
        return sorted(others, key=lambda user: user.module.file != function.module.file)[:MAX_CALLERS]


def called_name(function: Function) -> str:
    """Return the name by which others call a function: a constructor by that of its class."""
    *owners, name = function.qualname.split(".")
    return owners[-1] if owners and name == "__init__" else name


def find_tests(folder: Path, nodes: Iterable[str]) -> list[Function]:
    """Return the functions of tests, each once.

    Args:
        folder: the project's root.
        nodes: pytest's ids, such as `tests/test_a.py::TestClass::test_b[case]`. A test that is no function of the file
            itself, such as an inherited one, is left out.
    """

    @cache
    def functions_of(file: str) -> dict[str, Function]:
        module = read_module(folder, folder / file)
        return {each.qualname: each for each in all_functions(module)} if module else {}

    # The cases of a parametrized test are one function.
    names = dict.fromkeys(node.partition("[")[0] for node in nodes)
    places = (name.partition("::") for name in names)
    found = (functions_of(file).get(path.replace("::", ".")) for file, _, path in places)
    return [test for test in found if test]
