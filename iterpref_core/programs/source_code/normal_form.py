"""Normal form of a program: no layout, comments, docstrings or annotations of functions, and its own names numbered.

A name is the program's own if the program binds the name and no code outside can ask for it. Names of parameters, names
that a class binds, and module-level names that are used from outside are therefore kept.

Own names are numbered in the order of their first use, one number for a name wherever it stands. Two programs of one
form differ by a renaming. A renaming in one scope alone may be missed.
"""

import ast
import builtins
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from itertools import zip_longest

from iterpref_core.programs.source_code.syntax_tree import parse_source, shared_tree

_BUILTINS = frozenset(dir(builtins))
_NAME_FIELDS = ("id", "name", "asname", "rest", "arg")
"""Fields of syntax trees that hold a name: of variables, definitions, `import … as`, patterns and parameters."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_UNCOUNTED = (ast.expr_context, ast.arguments, ast.comprehension)
"""Nodes that are no part of a program's size: they only hold others."""


def same_form(code: str, changed: str, entry_point: str = "") -> bool:
    r"""Return True if two programs have the same normal form; a program that does not parse equals no other.

    Args:
        code: a program.
        changed: another one.
        entry_point: the module-level name that is used from outside. If empty, every module-level name is that does
            not begin with an underscore.

    >>> same_form("def f(n):\n    m = n + 1  # more\n    return m", "def f(n):\n  k = n + 1\n  return k")
    True
    >>> same_form("def f(n):\n    return n + 1", "def f(k):\n    return k + 1")  # f(n=1) was a call of the first
    False
    """
    try:
        # Most pairs differ in something that no renaming explains, which is found at the first difference.
        both = zip_longest(_sketch(shared_tree(code)), _sketch(shared_tree(changed)))
        if any(part != other for part, other in both):
            return False
        return _form(parse_source(code), entry_point) == _form(parse_source(changed), entry_point)
    except (SyntaxError, RecursionError):
        return False


def _strip(tree: ast.AST) -> None:
    """Take out of a tree what is no part of the normal form: statements without effect, annotations of functions."""
    # "def f(n: int):\n    'Add.'\n    return n" becomes "def f(n):\n    return n".
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                setattr(node, field, [statement for statement in block if not _does_nothing(statement)])
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, _FUNCTIONS):
            node.returns = None


def _sketch(tree: ast.AST) -> Iterator[object]:
    """Yield the kinds of a tree's nodes, and its constants: those of two programs of one form are the same."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node.value if isinstance(node, ast.Constant) else type(node)
        # What `_strip` takes out is passed over.
        if isinstance(node, ast.arg):
            continue
        returned = node.returns if isinstance(node, _FUNCTIONS) else None
        for child in ast.iter_child_nodes(node):
            if child is not returned and not _does_nothing(child):
                waiting.append(child)


def _form(tree: ast.Module, entry_point: str) -> str:
    _strip(tree)
    own = _bound_by(ast.walk(tree)) - _asked_for(tree, entry_point)
    return ast.dump(_Numbering(own).visit(tree))


def solution_forms(code: str) -> list[tuple[str, int]]:
    """Return the normal form of each function and method of a program, all names numbered but builtins and attributes.

    Two solutions with a form in common are the same solution under other names.

    Returns:
        Pairs of the form, a text, and its size in nodes of the syntax tree. A program without functions has one form,
        a program that does not parse none.
    """
    forms = []
    with suppress(SyntaxError, RecursionError):
        tree = parse_source(code)
        parts = list(_functions(tree.body)) or [tree]
        for part in parts:
            nodes = list(ast.walk(part))
            size = 1 + sum(not isinstance(node, _UNCOUNTED) for node in nodes)
            used = {node.id for node in nodes if isinstance(node, ast.Name)}
            numbered = (used - _BUILTINS) | _bound_by(nodes)
            _strip(part)
            normal = _Numbering(numbered).visit(part)
            forms.append((ast.dump(normal), size))
    return forms


def _functions(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for node in body:
        if isinstance(node, _FUNCTIONS):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body)


def _names(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the fields of a node that hold a name, with the names; keywords of calls and imported modules are none."""
    if isinstance(node, ast.keyword):
        return
    for field in _NAME_FIELDS:
        name = getattr(node, field, None)
        is_module = field == "name" and isinstance(node, ast.alias)
        if isinstance(name, str) and not is_module:
            yield field, name


def _bound_by(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that any of these nodes binds."""
    bound: set[str] = set()
    for node in nodes:
        only_reads = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        if not only_reads:
            bound.update(name for _, name in _names(node))
    return bound


def _asked_for(tree: ast.Module, entry_point: str) -> set[str]:
    """Return the names that other code may ask for, from outside or by keyword."""
    public = _bound_by(_in_scope(tree))
    if entry_point:
        asked = public & {entry_point}
    else:
        asked = {name for name in public if not name.startswith("_")}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            asked |= _bound_by(_in_scope(node))
        elif isinstance(node, ast.arg):
            asked.add(node.arg)
    return asked


def _in_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below a module or class, except those inside of its functions and classes."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
            yield from _in_scope(child)


class _Numbering(ast.NodeTransformer):
    """A visitor that numbers names of a tree, in place."""

    def __init__(self, numbered: Container[str]) -> None:
        self._numbered = numbered
        self._numbers: dict[str, str] = {}

    def generic_visit(self, node: ast.AST) -> ast.AST:
        # "m = n + 1; return m" with the parameter n becomes "·0 = n + 1; return ·0".
        for field, name in list(_names(node)):
            setattr(node, field, self._name(name))
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self._name(name) for name in node.names]
        return super().generic_visit(node)

    def _name(self, name: str) -> str:
        if name not in self._numbered:
            return name
        # No name of a program begins with a middle dot, so none is taken for a number.
        return self._numbers.setdefault(name, f"·{len(self._numbers)}")


def _does_nothing(node: object) -> bool:
    """Return True for `pass`, and for a constant such as a docstring."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass)
