"""Scopes: which one every name of a program belongs to, as Python's compiler decides it."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(eq=False)
class Scope:
    """One scope: the names bound in it, and those it declares to belong elsewhere."""

    kind: Literal["module", "function", "class", "comprehension"]
    parent: "Scope | None"
    bound: set[str] = field(default_factory=set)
    declared_global: set[str] = field(default_factory=set)
    declared_nonlocal: set[str] = field(default_factory=set)

    def bind(self, name: str) -> None:
        """Note that a statement of this scope gives the name a value."""
        if name not in self.declared_global and name not in self.declared_nonlocal:
            self.bound.add(name)

    @property
    def module(self) -> "Scope":
        """The outermost scope."""
        return self if self.parent is None else self.parent.module

    def resolve(self, name: str) -> "Scope | None":
        """The scope that a name read here belongs to; None for builtins and what nobody binds."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.declared_global:
                scope = scope.module
                return scope if name in scope.bound else None
            # What a class binds is seen by its own statements, and not by its methods.
            if name in scope.bound and (scope.kind != "class" or scope is self):
                return scope
            scope = scope.parent
        return None


def find_scopes(tree: ast.Module) -> dict[ast.AST, Scope]:
    """The scope that each module, function, lambda, class and comprehension of a tree opens."""
    finder = _Finder(tree)
    finder.visit(tree)
    return finder.scopes


def parameters(arguments: ast.arguments) -> Iterator[ast.arg]:
    """All parameters, in the order they are written."""
    yield from arguments.posonlyargs
    yield from arguments.args
    if arguments.vararg:
        yield arguments.vararg
    yield from arguments.kwonlyargs
    if arguments.kwarg:
        yield arguments.kwarg


def imported_name(alias: ast.alias) -> str:
    """The name that an import binds."""
    return alias.asname or alias.name.partition(".")[0]


class _Finder(ast.NodeVisitor):
    """Visits every node in the scope that evaluates it, and notes what binds a name."""

    def __init__(self, tree: ast.Module) -> None:
        self._scope = Scope("module", None)
        self.scopes: dict[ast.AST, Scope] = {tree: self._scope}

    def _open(self, node: ast.AST, kind: Literal["function", "class", "comprehension"]) -> Scope:
        scope = self.scopes[node] = Scope(kind, self._scope)
        return scope

    def _visit_in(self, scope: Scope, nodes: Sequence[ast.AST]) -> None:
        outside, self._scope = self._scope, scope
        # A declaration holds for its whole scope, wherever it stands.
        for node in nodes:
            for inner in _own_statements(node):
                if isinstance(inner, ast.Global):
                    scope.declared_global.update(inner.names)
                    scope.module.bound.update(inner.names)
                elif isinstance(inner, ast.Nonlocal):
                    scope.declared_nonlocal.update(inner.names)
        for node in nodes:
            self.visit(node)
        self._scope = outside

    def _visit_function(self, node: Function) -> None:
        arguments = node.args
        every = list(parameters(arguments))
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.visit(default)
        for parameter in every:
            if parameter.annotation:
                self.visit(parameter.annotation)
        scope = self._open(node, "function")
        scope.bound.update(parameter.arg for parameter in every)
        self._visit_in(scope, node.body if isinstance(node.body, list) else [node.body])

    def _visit_def(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._scope.bind(node.name)
        for decorator in node.decorator_list:
            self.visit(decorator)
        if node.returns:
            self.visit(node.returns)
        self._visit_function(node)

    def _visit_comprehension(self, node: Comprehension) -> None:
        self.visit(node.generators[0].iter)
        inside: list[ast.AST] = []
        for number, generator in enumerate(node.generators):
            inside += [*([generator.iter] if number else []), generator.target, *generator.ifs]
        inside += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._visit_in(self._open(node, "comprehension"), inside)

    visit_FunctionDef = _visit_def  # noqa: N815 - the visitor's own names
    visit_AsyncFunctionDef = _visit_def  # noqa: N815
    visit_Lambda = _visit_function  # noqa: N815
    visit_ListComp = _visit_comprehension  # noqa: N815
    visit_SetComp = _visit_comprehension  # noqa: N815
    visit_DictComp = _visit_comprehension  # noqa: N815
    visit_GeneratorExp = _visit_comprehension  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scope.bind(node.name)
        for outside in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(outside)
        self._visit_in(self._open(node, "class"), node.body)

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._scope.bind(node.id)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        scope = self._scope
        while scope.kind == "comprehension":  # `:=` binds around the comprehension it stands in
            assert scope.parent is not None
            scope = scope.parent
        scope.bind(node.target.id)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._bind_optional(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self._bind_optional(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        self._bind_optional(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self._bind_optional(node.rest)
        self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> None:
        self._scope.bind(imported_name(node))

    def _bind_optional(self, name: str | None) -> None:
        if name is not None:
            self._scope.bind(name)


def _own_statements(node: ast.AST) -> Iterator[ast.stmt]:
    """A statement and those inside it that run in the same scope."""
    if not isinstance(node, ast.stmt):
        return
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, name, ()):
            for inner in [child] if isinstance(child, ast.stmt) else child.body:
                yield from _own_statements(inner)
