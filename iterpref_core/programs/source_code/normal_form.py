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

from iterpref_core.programs.source_code.syntax_tree import parse_source, shared_tree

_BUILTINS = frozenset(dir(builtins))
_NAME_FIELDS = ("id", "name", "asname", "rest", "arg")
"""Fields of syntax trees that hold a name: of variables, definitions, `import … as`, patterns and parameters."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LEFT_OUT: dict[type[ast.AST], tuple[str, ...]] = {
    ast.arg: ("annotation",),
    ast.FunctionDef: ("returns",),
    ast.AsyncFunctionDef: ("returns",),
}
"""Node -> its fields that the form leaves out: annotations of functions."""
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
        # Most pairs differ in something that no renaming explains, which is found in a fraction of the time.
        if not _Renaming().explains(shared_tree(code), shared_tree(changed)):
            return False
        # The forms are made in the trees themselves.
        return _form(parse_source(code), entry_point) == _form(parse_source(changed), entry_point)
    except (SyntaxError, RecursionError):
        return False


class _Renaming:
    """A renaming that makes one program of another, found while both syntax trees are walked at once.

    Two programs of one form have one; two programs that have one may be of different forms, as they may rename what
    other code asks for.
    """

    def __init__(self) -> None:
        self._new: dict[str, str] = {}
        self._old: dict[str, str] = {}

    def explains(self, value: object, other: object) -> bool:
        """Return False if two parts differ in something else than names and what the normal form leaves out."""
        if type(value) is not type(other):
            return False
        if isinstance(value, list) and isinstance(other, list):
            parts = [part for part in value if not _does_nothing(part)]
            others = [part for part in other if not _does_nothing(part)]
            return len(parts) == len(others) and all(map(self.explains, parts, others))
        if isinstance(value, ast.AST):
            return all(self._explains_field(value, other, name) for name in value._fields)
        return value == other

    def _explains_field(self, node: ast.AST, other: object, name: str) -> bool:
        value = getattr(node, name, None)
        another = getattr(other, name, None)
        if name in _LEFT_OUT.get(type(node), ()):
            return True
        if name in _NAME_FIELDS and isinstance(value, str) and isinstance(another, str):
            is_fixed = isinstance(node, ast.keyword) or (name == "name" and isinstance(node, ast.alias))
            return value == another if is_fixed else self._renames(value, another)
        if isinstance(node, ast.Global | ast.Nonlocal):
            names = another if isinstance(another, list) else []
            return len(node.names) == len(names) and all(map(self._renames, node.names, names))
        return self.explains(value, another)

    def _renames(self, name: str, other: str) -> bool:
        return self._new.setdefault(name, other) == other and self._old.setdefault(other, name) == name


def _form(tree: ast.Module, entry_point: str) -> str:
    bound = _bound_by(ast.walk(tree))
    own = bound - _asked_for(tree, entry_point)
    return ast.dump(_Normalizer(own).visit(tree))


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
            normal = _Normalizer(numbered).visit(part)
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


class _Normalizer(ast.NodeTransformer):
    """A visitor that brings a tree into normal form, in place: the names in `numbered` become numbers."""

    def __init__(self, numbered: Container[str]) -> None:
        self._numbered = numbered
        self._numbers: dict[str, str] = {}

    def generic_visit(self, node: ast.AST) -> ast.AST:
        # "def f(n: int):\n    'Add.'\n    m = n + 1\n    return m" becomes "def f(n):\n    ·0 = n + 1\n    return ·0".
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                kept = [statement for statement in block if not _does_nothing(statement)]
                setattr(node, field, kept)
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
        if name not in self._numbered:
            return name
        # No name of a program begins with a middle dot, so none is taken for a number.
        return self._numbers.setdefault(name, f"·{len(self._numbers)}")


def _does_nothing(node: object) -> bool:
    """Return True for `pass`, and for a constant such as a docstring."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass)
