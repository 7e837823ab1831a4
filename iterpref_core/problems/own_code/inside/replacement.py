"""Replace one function in a module of the project by a candidate.

The candidate is part of its module as if it had been written there: the module's syntax tree gets the candidate's
statements.
"""

import ast
import os
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from _pytest.assertion.rewrite import AssertionRewritingHook

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


def _share_docstring(original: Definition, definition: Definition) -> None:
    """Give a candidate's definition the docstring of the original, whose examples may be tests."""
    if ast.get_docstring(definition) is not None:
        del definition.body[0]
    if ast.get_docstring(original) is not None:
        definition.body.insert(0, original.body[0])
    definition.body = definition.body or [ast.Pass()]


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
    original = _find(body, name, Definition)
    body[body.index(original)] = definition
    _share_docstring(original, definition)
    position = tree.body.index(outermost or definition)
    tree.body[position:position] = brought
    return tree


class Replacement:
    """A function that gets another source as soon as its file is imported, by any name.

    Args:
        file: the path of the module in the project.
        qualname: the name of the function in the module, such as `Class.method`.
        candidate: the file of the candidate.

    Attributes:
        loaded: the file was imported with the candidate.
        error: what the last import of the file raised.

    Raises:
        SyntaxError: the candidate is not valid Python.
    """

    def __init__(self, file: str, qualname: str, candidate: str = "candidate.py") -> None:
        self.file = file
        self.qualname = qualname
        self.loaded = False
        self.error: BaseException | None = None
        with open(candidate, encoding="utf-8") as text:
            self._tree = ast.parse(text.read(), os.path.abspath(candidate))

    def install(self, path: str) -> None:
        """Make the next import of a path have the candidate, even if it has been imported before.

        Raises:
            NameError: the candidate does not define the function.
        """
        path = os.path.realpath(path)
        with open(path, "rb") as file:
            code = compile(splice(file.read(), self._tree, self.qualname), path, "exec")
        self._forget(path)
        # pytest imports the modules of its plugins with a loader of its own.
        for kind in (SourceFileLoader, AssertionRewritingHook):
            self._load_with(kind, path, code)

    @staticmethod
    def _forget(path: str) -> None:
        """Forget the packages of a file: another imported module may hold the function that is replaced."""
        places = [(name, getattr(module, "__file__", None)) for name, module in sys.modules.items()]
        tops = {name.partition(".")[0] for name, place in places if place and os.path.realpath(place) == path}
        for name in list(sys.modules):
            if name.partition(".")[0] in tops:
                del sys.modules[name]

    def _load_with(self, kind: Any, path: str, code: CodeType) -> None:
        usual = kind.exec_module

        def exec_module(loader: Any, module: ModuleType) -> None:
            place = module.__spec__.origin if module.__spec__ else None
            if place is None or os.path.realpath(place) != path:
                usual(loader, module)
                return
            try:
                exec(code, module.__dict__)
            except BaseException as error:
                self.error = error
                raise
            self.loaded = True

        kind.exec_module = exec_module
