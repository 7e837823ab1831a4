"""Normal form of a program: without layout, comments, docstrings and annotations of functions, its own names numbered.

A name is the program's own if the program binds it and nobody can ask for it from outside: not a parameter's, what a
class binds, or a module-level name that is used from outside. Own names are numbered in the order of their first use,
one number a name wherever it stands: two programs of one form differ by a renaming, and not each renaming of one scope
alone is found.
"""

import ast
import builtins
from collections.abc import Container, Iterator
from contextlib import suppress

from iterpref_core.source_code.syntax_tree import parse_source

_BUILTINS = frozenset(dir(builtins))
_NAME_FIELDS = ("id", "name", "asname", "rest", "arg")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_UNCOUNTED = (ast.expr_context, ast.arguments, ast.comprehension)


def same_form(code: str, changed: str, entry_point: str = "") -> bool:
    r"""Whether two programs have the same normal form; one that does not parse is like no other.

    Args:
        code: a program.
        changed: another one.
        entry_point: the module-level name that is used from outside; where it is empty, all are that do not begin
            with an underscore.

    >>> same_form("def f(n):\n    m = n + 1  # more\n    return m", "def f(n):\n  k = n + 1\n  return k")
    True
    >>> same_form("def f(n):\n    return n + 1", "def f(k):\n    return k + 1")  # f(n=1) was a call of the first
    False
    """
    try:
        forms = {_form(parse_source(text), entry_point) for text in (code, changed)}
    except (SyntaxError, RecursionError):
        return False
    return len(forms) == 1


def _form(tree: ast.Module, entry_point: str) -> str:
    bound = {name for node in ast.walk(tree) for name in _bound(node)}
    return ast.dump(_Normalizer(bound - _asked_for(tree, entry_point)).visit(tree))


def solution_forms(code: str) -> list[tuple[str, int]]:
    """What makes a program a solution, whatever its names: each function and method, or the whole where it has none.

    No name stays but builtins, attributes and keywords. A form is a text, and its size in nodes of the syntax tree; a
    program that does not parse has none.
    """
    forms = []
    with suppress(SyntaxError, RecursionError):
        tree = parse_source(code)
        for part in list(_functions(tree.body)) or [tree]:
            nodes = list(ast.walk(part))
            size = 1 + sum(not isinstance(node, _UNCOUNTED) for node in nodes)
            names = {node.id for node in nodes if isinstance(node, ast.Name)} - _BUILTINS
            names |= {name for node in nodes for name in _bound(node)}
            forms.append((ast.dump(_Normalizer(names).visit(part)), size))
    return forms


def _functions(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for node in body:
        if isinstance(node, _FUNCTIONS):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body)


def _names(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The fields of a node that hold a name, and the names; not those of keywords, and of modules."""
    for field in _NAME_FIELDS:
        name = getattr(node, field, None)
        if isinstance(name, str) and not isinstance(node, ast.keyword) and (field, type(node)) != ("name", ast.alias):
            yield field, name


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a node binds."""
    if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
        yield from (name for _, name in _names(node))


def _asked_for(tree: ast.Module, entry_point: str) -> set[str]:
    """Names that somebody may ask for from outside, or by keyword."""
    public = {name for node in _in_scope(tree) for name in _bound(node)}
    asked = {name for name in public if (name == entry_point if entry_point else not name.startswith("_"))}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            asked |= {name for inner in _in_scope(node) for name in _bound(inner)}
        elif isinstance(node, ast.arg):
            asked.add(node.arg)
    return asked


def _in_scope(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below a module or class, without those inside of its functions and classes."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
            yield from _in_scope(child)


class _Normalizer(ast.NodeTransformer):
    """Changes a tree in place; the names `numbered` become numbers."""

    def __init__(self, numbered: Container[str]) -> None:
        self._numbered = numbered
        self._numbers: dict[str, str] = {}

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field in ("body", "orelse", "finalbody"):
            if isinstance(block := getattr(node, field, None), list):
                setattr(node, field, [each for each in block if not _does_nothing(each)])
        for field, name in list(_names(node)):
            setattr(node, field, self._name(name))
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self._name(name) for name in node.names]
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, _FUNCTIONS):
            node.returns = None
        return super().generic_visit(node)

    def _name(self, name: str) -> str:
        # No Python name looks like this one, so none is taken for it.
        return self._numbers.setdefault(name, f"·{len(self._numbers)}") if name in self._numbered else name


def _does_nothing(node: ast.AST) -> bool:
    """Whether a statement is `pass`, or a constant such as a docstring."""
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
