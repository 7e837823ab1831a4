"""Normal form of a program: without layout, comments, docstrings and annotations, its own names numbered.

A name is the program's own if the program binds it and nobody asks for it from outside: not what a class binds, what
others call by keyword, or a module-level name that is used from outside. Own names are numbered in the order of their
first use, one number a name wherever it stands: two programs of one form differ by a renaming, and not each renaming of
one scope alone is found. A program that looks its names up at run time (`locals()`, `eval`, ...) keeps all of them.
"""

import ast
import builtins
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

from iterpref_core.source_code.syntax_tree import parse_source

_LOOKS_NAMES_UP = frozenset({"dir", "eval", "exec", "globals", "locals", "vars"})
_BUILTINS = frozenset(dir(builtins))
_NAME_FIELDS = ("id", "name", "asname", "rest")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_UNCOUNTED = (ast.expr_context, ast.arguments, ast.comprehension)


@dataclass(frozen=True)
class SolutionForm:
    """The normal form of a function or program, and its size in nodes of the syntax tree."""

    text: str
    size: int


def parse_program(code: str) -> ast.Module | None:
    """The syntax tree of a program; None where it has none."""
    try:
        return parse_source(code)
    except SyntaxError:
        return None


def same_form(code: str, other: str, entry_point: str = "") -> bool:
    r"""Whether two programs have the same normal form; one that does not parse is like no other.

    Annotations of other names than builtins stay: one that is not imported fails, and mending that is a repair.

    Args:
        code: a program.
        other: another one.
        entry_point: the module-level name that is used from outside; where it is empty, all are that do not begin
            with an underscore.

    >>> same_form("def f(n):\n    m = n + 1  # more\n    return m", "def f(n):\n  k = n + 1\n  return k")
    True
    >>> same_form("def f(n):\n    return n + 1", "def f(k):\n    return k + 1")  # f(n=1) was a call of the first
    False
    """
    forms = []
    for text in (code, other):
        tree = parse_program(text)
        if tree is None:
            return False
        kept = _asked_for(tree, entry_point)
        own = {name for node in ast.walk(tree) for name in _bound(node)} - kept
        forms.append(_form(tree, own, annotations=True))
    return forms[0] is not None and forms[0] == forms[1]


def solution_forms(code: str) -> list[SolutionForm]:
    """What makes a program a solution, whatever its names: each function and method, or the whole where it has none.

    No name stays but builtins, attributes and keywords, and no annotation. A program that does not parse has no form.
    """
    tree = parse_program(code)
    if tree is None:
        return []
    forms = []
    for part in list(_functions(tree.body)) or [tree]:
        size = 1 + sum(not isinstance(node, _UNCOUNTED) for node in ast.walk(part))
        used = {node.id for node in ast.walk(part) if isinstance(node, ast.Name)} - _BUILTINS
        text = _form(part, used | {name for node in ast.walk(part) for name in _bound(node)}, annotations=False)
        if text is not None:
            forms.append(SolutionForm(text, size))
    return forms


def _functions(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for node in body:
        if isinstance(node, _FUNCTIONS):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body)


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a node binds, of those that may be a program's own."""
    if isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias):
        yield from [node.asname] if node.asname else []
    elif not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
        yield from (name for field in _NAME_FIELDS if (name := getattr(node, field, None)))


def _asked_for(tree: ast.Module, entry_point: str) -> set[str]:
    """Names that somebody may ask for from outside, or by keyword, or at run time."""
    nodes = list(ast.walk(tree))
    if any(isinstance(node, ast.Name) and node.id in _LOOKS_NAMES_UP for node in nodes):
        return {name for node in nodes for name in _bound(node)}
    public = {name for node in _in_scope(tree) for name in _bound(node)}
    asked = {name for name in public if (name == entry_point if entry_point else not name.startswith("_"))}
    asked |= {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg}
    callable_from_outside = [node for node in tree.body if isinstance(node, _FUNCTIONS) and node.name in asked]
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            asked |= {name for inner in _in_scope(node) for name in _bound(inner)}
            callable_from_outside += [inner for inner in node.body if isinstance(inner, _FUNCTIONS)]
    for function in callable_from_outside:
        asked |= {parameter.arg for parameter in (*function.args.args, *function.args.kwonlyargs)}
    return asked | {name for node in nodes for name in _bound(node) if name.startswith("__")}


def _in_scope(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below a module or class, without those inside of its functions and classes."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
            yield from _in_scope(child)


def _form(tree: ast.AST, own: Container[str], *, annotations: bool) -> str | None:
    try:
        return ast.dump(_Normalizer(own, annotations=annotations).visit(tree))
    except RecursionError:
        return None


class _Normalizer(ast.NodeTransformer):
    """Changes a tree in place.

    Args:
        own: names that are numbered.
        annotations: whether those of other names than builtins stay.
    """

    def __init__(self, own: Container[str], *, annotations: bool) -> None:
        self._own, self._annotations = own, annotations
        self._numbers: dict[str, str] = {}

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field in ("annotation", "returns"):
            annotation = getattr(node, field, None)
            if annotation is not None and not isinstance(node, ast.AnnAssign) and self._is_idle(annotation):
                setattr(node, field, None)
        for field in ("body", "orelse", "finalbody"):
            if isinstance(block := getattr(node, field, None), list):
                setattr(node, field, [self._plain(node, each) for each in block if not _does_nothing(each)])
        for field in (*_NAME_FIELDS, *(["arg"] if isinstance(node, ast.arg) else [])):
            if isinstance(name := getattr(node, field, None), str) and not (
                isinstance(node, ast.alias) and field == "name"
            ):
                setattr(node, field, self._name(name))
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self._name(name) for name in node.names]
        return super().generic_visit(node)

    def _name(self, name: str) -> str:
        # No Python name looks like this one, so none is taken for it.
        return self._numbers.setdefault(name, f"·{len(self._numbers)}") if name in self._own else name

    def _is_idle(self, annotation: ast.expr) -> bool:
        read = {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
        return not self._annotations or read <= _BUILTINS

    def _plain(self, block: ast.AST, statement: Any) -> Any:
        """An annotated assignment as a plain one, but for the fields of classes."""
        if isinstance(statement, ast.AnnAssign) and statement.value and not isinstance(block, ast.ClassDef):
            return ast.Assign([statement.target], statement.value) if self._is_idle(statement.annotation) else statement
        return statement


def _does_nothing(node: ast.AST) -> bool:
    """Whether a statement is `pass`, or a constant such as a docstring."""
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
