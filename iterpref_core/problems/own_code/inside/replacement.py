"""Replace one function in a module of the project by a candidate.

The candidate is part of its module as if it had been written there: the module's syntax tree gets the candidate's
statements.
"""

import ast
import os
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

Definition = ast.FunctionDef | ast.AsyncFunctionDef


def _find(body: Sequence[ast.stmt], name: str, kind: Any) -> Any:
    """Return the last statement of a kind that defines a name; None if there is none."""
    found = [node for node in body if isinstance(node, kind) and node.name == name]
    return found[-1] if found else None


def _split(candidate: ast.Module, path: list[str]) -> tuple[Definition, list[ast.stmt]]:
    """Split a candidate into its definition of the function and its other statements.

    A method may be written alone or in a class of the right name. The rest of that class is dropped.
    """
    body = list(candidate.body)
    definition = _find(body, path[-1], Definition)
    owner = _find(body, path[-2], ast.ClassDef) if len(path) > 1 else None
    if definition is None and owner is not None:
        definition = _find(owner.body, path[-1], Definition)
        body.remove(owner)
    if definition is None:
        raise NameError(f"name {path[-1]!r} is not defined")
    others = []
    for node in body:
        is_future_import = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if node is not definition and not is_future_import:
            others.append(node)
    return definition, others


def splice(module: bytes, candidate: ast.Module, qualname: str) -> ast.Module:
    """Return the tree of a module's source with a candidate's definition in the place of the module's own.

    The candidate's other statements (imports, helpers) go in front of the outermost statement around the function.
    """
    path = qualname.split(".")
    *classes, name = path
    definition, brought = _split(candidate, path)
    tree = ast.parse(module)
    body: list[ast.stmt] = tree.body
    outermost: ast.stmt | None = None
    for step in classes:
        owner = _find(body, step, ast.ClassDef)
        body = owner.body
        outermost = outermost or owner
    body[body.index(_find(body, name, Definition))] = definition
    position = tree.body.index(outermost or definition)
    tree.body[position:position] = brought
    return tree


class _Loader(SourceFileLoader):
    """A loader of a module's file that gives the module the code with a candidate's definition of a function."""

    def __init__(self, name: str, path: str, candidate: ast.Module, qualname: str) -> None:
        super().__init__(name, path)
        self._candidate = candidate
        self._qualname = qualname

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the module.

        Raises:
            NameError: the candidate does not define the function.
        """
        path = self.get_filename(fullname)
        return compile(splice(self.get_data(path), self._candidate, self._qualname), path, "exec")


class Replacement:
    """A function that gets another source as soon as its module is imported; a finder for `sys.meta_path`.

    Args:
        module: the name of the module.
        qualname: the name of the function in the module, such as `Class.method`.
        candidate: the file of the candidate.

    Raises:
        SyntaxError: the candidate is not valid Python.
    """

    def __init__(self, module: str, qualname: str, candidate: str = "candidate.py") -> None:
        self.module = module
        self.qualname = qualname
        with open(candidate, encoding="utf-8") as file:
            self._tree = ast.parse(file.read(), os.path.abspath(candidate))

    def install(self) -> None:
        """Make the next import of the module have the candidate, even if the module has been imported before."""
        top = self.module.partition(".")[0]
        # All modules of the package: an imported module may hold the function that is replaced.
        for name in list(sys.modules):
            if name.partition(".")[0] == top:
                del sys.modules[name]
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        """Find the function's module, and no other."""
        spec = PathFinder.find_spec(name, path, target) if name == self.module else None
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin, self._tree, self.qualname)
        return spec
