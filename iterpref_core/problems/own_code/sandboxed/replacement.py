"""Function replacement: a module of the project with one function replaced by a candidate.

The candidate stands in its module as if it had been written there: the module's syntax tree gets its statements, and
what they compile to is labeled as code of the candidate's own file, for tracebacks and for coverage.
"""

import ast
import hashlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

_OFFSET = 1_000_000
"""Added to the line numbers of a candidate in its module's tree, to tell its code from the module's."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef


def _find(body: Sequence[ast.stmt], name: str) -> Definition | None:
    definitions = [node for node in body if isinstance(node, Definition) and node.name == name]
    return definitions[-1] if definitions else None


def _class(body: Sequence[ast.stmt], name: str) -> ast.ClassDef | None:
    return next((node for node in body if isinstance(node, ast.ClassDef) and node.name == name), None)


def _split(candidate: ast.Module, path: list[str]) -> tuple[Definition, list[ast.stmt]]:
    """A candidate's definition of the function, and the other statements that it brings.

    A method may stand alone or in a class of the right name, of which nothing else is taken.
    """
    body = list(candidate.body)
    definition = _find(body, path[-1])
    owner = _class(body, path[-2]) if definition is None and len(path) > 1 else None
    if owner is not None:
        definition = _find(owner.body, path[-1])
        body.remove(owner)
    if definition is None:
        raise NameError(f"name {path[-1]!r} is not defined")
    future = [node for node in body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    return definition, [node for node in body if node is not definition and node not in future]


def splice(module: bytes, candidate: ast.Module, qualname: str) -> ast.Module:
    """The tree of a module's source with a candidate's definition in the place of its own.

    What else the candidate brings (imports, helpers) goes in front of the outermost statement around the function.
    """
    *classes, name = path = qualname.split(".")
    definition, brought = _split(candidate, path)
    for node in (definition, *brought):
        ast.increment_lineno(node, _OFFSET)
    tree = ast.parse(module)
    body: list[ast.stmt] = tree.body
    outermost: ast.stmt | None = None
    for step in classes:
        owner = _class(body, step)
        assert owner is not None
        body, outermost = owner.body, outermost or owner
    old = _find(body, name)
    assert old is not None
    body[body.index(old)] = definition
    place = tree.body.index(outermost or definition)
    tree.body[place:place] = brought
    return tree


def relabel(code: CodeType, filename: str) -> CodeType:
    """Code whose candidate's parts say that they are of the candidate's file, with its line numbers."""
    inner = (relabel(part, filename) if isinstance(part, CodeType) else part for part in code.co_consts)
    code = code.replace(co_consts=tuple(inner))
    if code.co_firstlineno > _OFFSET:
        code = code.replace(co_filename=filename, co_firstlineno=code.co_firstlineno - _OFFSET)
    return code


def _first_lines(candidate: ast.Module) -> ast.Module:
    """Statements that do nothing, where a candidate has statements that run on import: for coverage."""
    decorated = [(getattr(node, "decorator_list", None) or [node])[0] for node in candidate.body]
    return ast.Module([ast.copy_location(ast.Pass(), node) for node in decorated], [])


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, replacement: "Replacement") -> None:
        super().__init__(name, path)
        self._replacement = replacement

    def get_code(self, fullname: str) -> CodeType:
        return self._replacement.code(self.get_filename(fullname))


class Replacement:
    """A function that gets another source as soon as its module is imported: a finder for `sys.meta_path`.

    Args:
        module: name of the module.
        qualname: name of the function in it, such as `Class.method`.
        sha256: of the module's file; another file is not the one that the candidate was made for.
        candidate: file of the candidate.

    Raises:
        SyntaxError: the candidate is no Python.
    """

    def __init__(self, module: str, qualname: str, sha256: str, candidate: str = "candidate.py") -> None:
        self.module, self.qualname, self._sha256 = module, qualname, sha256
        self._filename = os.path.abspath(candidate)
        with open(candidate, encoding="utf-8") as file:
            self._tree = ast.parse(file.read(), self._filename)

    def install(self) -> None:
        """Make the next import of the module have the candidate, even if the module has been imported before."""
        top = self.module.partition(".")[0]
        for name in [name for name in sys.modules if name.partition(".")[0] == top]:
            del sys.modules[name]
        sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Finds only the one module."""
        spec = PathFinder.find_spec(name, path, target) if name == self.module else None
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin, self)
        return spec

    def code(self, path: str) -> CodeType:
        """The code of the module at a path, with the candidate.

        Raises:
            RuntimeError: the file is another one.
            NameError: the candidate does not define the function.
        """
        with open(path, "rb") as file:
            source = file.read()
        if hashlib.sha256(source).hexdigest() != self._sha256:
            raise RuntimeError(f"module {self.module} has changed since it was ingested: ingest it again")
        exec(compile(_first_lines(self._tree), self._filename, "exec"), {})
        return relabel(compile(splice(source, self._tree, self.qualname), path, "exec"), self._filename)
