"""Collect what shows how a function behaves besides its source: the functions that call it, and its tests."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .functions import Definition, Function, Module, read_module

MAX_CALLERS = 3
"""The most callers of a function that are shown; those of its own module come first."""


class Callers:
    """The functions of modules by the names that they use.

    Args:
        modules: the modules, tests not among them.
    """

    def __init__(self, modules: Iterable[Module]) -> None:
        self._users: defaultdict[str, list[Function]] = defaultdict(list)
        for module in modules:
            for function in _all_functions(module, module.tree.body):
                for name in _used_names(function.node):
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
    # The cases of a parametrized test are one function.
    names = dict.fromkeys(node.partition("[")[0] for node in nodes)
    modules: dict[str, Module | None] = {}
    found = []
    for name in names:
        file, *path = name.split("::")
        if file not in modules:
            modules[file] = read_module(folder, folder / file)
        module = modules[file]
        node = _find(module.tree.body, path) if module else None
        if module and node:
            found.append(Function(module, ".".join(path), node))
    return found


def _find(body: Sequence[ast.stmt], path: Sequence[str]) -> Definition | None:
    """Return the function of a name in a class, such as `["TestClass", "test_b"]`."""
    for node in body:
        if isinstance(node, ast.ClassDef) and len(path) > 1 and node.name == path[0]:
            return _find(node.body, path[1:])
        if isinstance(node, Definition) and path == [node.name]:
            return node
    return None


def _all_functions(module: Module, body: Sequence[ast.stmt], prefix: str = "") -> Iterator[Function]:
    """Yield the functions and methods of a module, private ones too."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _all_functions(module, node.body, f"{prefix}{node.name}.")
        elif isinstance(node, Definition):
            yield Function(module, f"{prefix}{node.name}", node)


def _used_names(node: Definition) -> set[str]:
    """Return the names and attributes that a function reads."""
    used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return used | {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
