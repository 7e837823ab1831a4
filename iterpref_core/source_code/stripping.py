"""Stripping: takes out of a syntax tree what does not change what the program does."""

import ast
import builtins
import typing
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from iterpref_core.source_code.scopes import imported_name, parameters

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Import: TypeAlias = ast.Import | ast.ImportFrom

_BUILTINS = frozenset(dir(builtins))
_TYPING = frozenset(typing.__all__)


def strip(tree: ast.Module, *, keep_risky_annotations: bool) -> ast.Module:
    """Change a tree in place, and return it.

    Left out are `pass` and constants that stand as statements, docstrings among them; annotations, but for the fields
    of classes; imports from `typing` that then serve nothing. Imports that stand together are sorted, one name each.

    Args:
        tree: a fresh tree; it must not be used for anything else afterwards.
        keep_risky_annotations: keep those that might fail when the program is loaded, because they read a name that
            is neither builtin nor defined above: that is a bug, and mending it is a repair.
    """
    postponed = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    annotations = _Annotations(checked=keep_risky_annotations and not postponed)
    tree.body = [annotations.strip_statement(statement) for statement in tree.body]
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                setattr(node, field, list(_active(block, used)))
    return tree


class _Annotations(ast.NodeTransformer):
    """Takes annotations out, statement by statement of a module.

    Args:
        checked: keep those that read a name that is not known yet.
    """

    def __init__(self, *, checked: bool) -> None:
        self._checked = checked
        self._known = set(_BUILTINS)
        self._block: type[ast.AST] = ast.Module

    def strip_statement(self, statement: ast.stmt) -> ast.stmt:
        """One statement of the module; those above it have been given before."""
        stripped: ast.stmt = self.visit(statement)
        self._known.update(_names_defined(statement))
        return stripped

    def _is_idle(self, annotation: ast.expr | None) -> bool:
        if annotation is None or not self._checked:
            return True
        return all(node.id in self._known for node in ast.walk(annotation) if isinstance(node, ast.Name))

    def _visit_block(self, node: ast.AST) -> ast.AST:
        outside, self._block = self._block, type(node)
        self.generic_visit(node)
        self._block = outside
        return node

    def _visit_def(self, node: Definition) -> ast.AST:
        for parameter in parameters(node.args):
            if self._is_idle(parameter.annotation):
                parameter.annotation = None
        if self._is_idle(node.returns):
            node.returns = None
        return self._visit_block(node)

    visit_FunctionDef = _visit_def  # noqa: N815 - the transformer's own names
    visit_AsyncFunctionDef = _visit_def  # noqa: N815
    visit_ClassDef = _visit_block  # noqa: N815

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        # A class's annotations are its fields, for `dataclass` and the like. A function's are never evaluated.
        in_function = self._block in (ast.FunctionDef, ast.AsyncFunctionDef)
        if self._block is ast.ClassDef or node.value is None or not (in_function or self._is_idle(node.annotation)):
            return node
        return ast.Assign(targets=[node.target], value=node.value)


def _names_defined(statement: ast.stmt) -> Iterator[str]:
    """The names that a module surely has after one of its statements."""
    if isinstance(statement, Import):
        yield from map(imported_name, statement.names)
    elif isinstance(statement, Definition | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        yield from (target.id for target in statement.targets if isinstance(target, ast.Name))


def _active(block: Sequence[ast.AST], used: set[str]) -> Iterator[ast.AST]:
    """The statements of a block that do something, with the imports that stand together in one order."""
    imports: list[Import] = []
    for node in block:
        if isinstance(node, Import):
            imports += _single_imports(node, used)
        elif not is_idle(node):
            yield from _in_one_order(imports)
            imports = []
            yield node
    yield from _in_one_order(imports)


def is_idle(node: ast.AST) -> bool:
    """Whether a statement does nothing: `pass`, or a constant such as a docstring."""
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _single_imports(node: Import, used: set[str]) -> Iterator[Import]:
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield ast.Import(names=[alias])
        elif not _serves_nothing(node, alias, used):
            yield ast.ImportFrom(module=node.module, names=[alias], level=node.level)


def _serves_nothing(node: ast.ImportFrom, alias: ast.alias, used: set[str]) -> bool:
    if node.module == "__future__":
        return alias.name == "annotations"
    # An import of a name that does not exist fails: that is no idle one.
    return node.module == "typing" and alias.name in _TYPING and imported_name(alias) not in used


def _in_one_order(imports: list[Import]) -> list[Import]:
    names = [imported_name(node.names[0]) for node in imports]
    if len(set(names)) < len(names):  # the last of two imports that bind one name wins
        return imports
    return sorted(imports, key=lambda node: (getattr(node, "module", None) or "", node.names[0].name))
