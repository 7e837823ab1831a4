"""Bring a program into a form without layout, comments, docstrings and annotations, with its own names numbered.

A name is the program's own if the program binds the name and no code outside can ask for it. Names of parameters, names
that a class binds, and module-level names that are used from outside are therefore kept.

Own names are numbered in the order of their first use, one number for all places of a name. Two programs of one
form differ by a renaming. A renaming in one scope alone may be missed.
"""

import ast
import builtins
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from .names import NAME_FIELDS, bound_by, name_in
from .syntax_tree import shared_tree

_BUILTINS = frozenset(dir(builtins))
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_AROUND = (*_FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom)
_UNCOUNTED = (ast.expr_context, ast.arguments, ast.comprehension)
"""Nodes that only hold others, and do not count for a program's size."""


def same_form(code: str, changed: str, entry_point: str = "") -> bool:
    r"""Return True if two programs have the same normal form; a program that does not parse equals no other.

    Args:
        code: a program.
        changed: another one.
        entry_point: the module-level name that is used from outside. If empty, every public module-level name is
            used from outside.

    >>> same_form("def f(n):\n    m = n + 1  # more\n    return m", "def f(n):\n  k = n + 1\n  return k")
    True
    >>> same_form("def f(n):\n    return n + 1", "def f(k):\n    return k + 1")  # f(n=1) was a call of the first
    False
    """
    try:
        tree = shared_tree(code)
        other = shared_tree(changed)
    except SyntaxError:
        return False
    return _form(tree, _kept(tree, entry_point), does_nothing) == _form(other, _kept(other, entry_point), does_nothing)


def solution_forms(code: str) -> list[tuple[tuple[object, ...], int]]:
    """Return the normal form of the body of each function, its statements in an order of their own.

    All names are numbered but builtins and attributes. Two solutions with a form in common are the same solution under
    other names, another signature, or reordered. A body that prints has a second form without these statements.

    Returns:
        Pairs of the form, and its size in nodes of the syntax tree. Of a program without functions its statements are
        the body; a program that does not parse has no form.
    """
    try:
        tree = shared_tree(code)
    except SyntaxError:
        return []
    parts: list[ast.FunctionDef | ast.AsyncFunctionDef | ast.Module]
    parts = [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]
    forms = []
    for part in parts or [tree]:
        # A program may call its own function `sum`, which is then numbered like its other names.
        kept = _BUILTINS - bound_by(ast.walk(part))
        order = partial(_bag, uses=Counter(map(name_in, ast.walk(part))))
        for left_out in (does_nothing, _does_nothing_or_prints):
            forms.append(_form(ast.Module(part.body, []), kept, left_out, order))
    return list(dict.fromkeys(forms))


def statement_forms(code: str) -> Iterator[tuple[tuple[object, ...], int]]:
    """Yield the normal form of each statement without those inside of it, and its size in nodes.

    Names are numbered anew in each statement, so that one more or less does not change the others. Definitions, imports
    and calls of `print` are left out; a program that does not parse has no statement.
    """
    with suppress(SyntaxError):
        tree = shared_tree(code)
        kept = _BUILTINS - bound_by(ast.walk(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.stmt) and not isinstance(node, _AROUND) and not _does_nothing_or_prints(node):
                yield _form(node, kept, lambda item: isinstance(item, ast.stmt))


def _bag(statement: ast.AST, uses: Mapping[str | None, int]) -> tuple[object, ...]:
    """Return what a statement is made of, in no order: nodes, and how often the program uses the names."""
    nodes = list(ast.walk(statement))
    kinds = [type(node).__name__ for node in nodes]
    details = [repr(node.value) for node in nodes if isinstance(node, ast.Constant)]
    details += [node.attr for node in nodes if isinstance(node, ast.Attribute)]
    # "n = 0" and "m = 0" differ by what follows.
    used = [uses[name_in(node)] for node in nodes if isinstance(node, ast.Name)]
    return sorted(kinds), sorted(details), sorted(used)


def _form(
    tree: ast.AST,
    kept: Container[str],
    left_out: Callable[[object], bool],
    order: Callable[[ast.AST], Any] | None = None,
) -> tuple[tuple[object, ...], int]:
    """Return a normal form without the statements that are left out, in this order, and the number of its nodes.

    Its parts are kinds of nodes, lengths of lists, constants, and names or, if they are not kept, their numbers.
    """
    # "def f(n: int):\n    'Add.'\n    m = n + 1" has the form of "def f(n):\n    ·0 = n + 1", if f and n are kept.
    parts: list[object] = []
    size = 1
    numbers: dict[str, int] = {}
    waiting: list[object] = [tree]
    # Nodes wait on a stack: a deeply nested program would exceed the limit of recursion.
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            # A docstring or `pass` does not change what a block does.
            effective = [item for item in part if not left_out(item)]
            if order and len(effective) > 1 and isinstance(effective[0], ast.stmt):
                effective.sort(key=order)
            parts.append(len(effective))
            waiting += effective
            continue
        if not isinstance(part, ast.AST):
            parts.append(part)
            continue
        parts.append(type(part))
        size += not isinstance(part, _UNCOUNTED)
        if isinstance(part, ast.Constant):
            # Of 1, 1.0 and True each equals the others.
            parts.append((type(part.value), part.value, part.kind))
            continue
        name_field = NAME_FIELDS.get(type(part).__name__)
        if name_field:
            name = name_in(part)
            parts.append(name if name is None or name in kept else numbers.setdefault(name, len(numbers)))
        if isinstance(part, ast.Global | ast.Nonlocal):
            # `global n` binds the name n, which counts as a use of it.
            waiting.append([ast.Name(name, ast.Load()) for name in part.names])
        # Annotations of functions do not count, nor whether a name is read or written.
        elif not isinstance(part, ast.arg):
            unread = {name_field, "ctx", "returns", "type_comment"}
            waiting += [getattr(part, field) for field in part._fields if field not in unread]
    return tuple(parts), size


def _kept(tree: ast.Module, entry_point: str) -> set[str]:
    """Return the names that are not the program's own, or that other code may ask for, from outside or by keyword."""
    nodes = list(ast.walk(tree))
    public = bound_by(_in_scope(tree))
    if entry_point:
        kept = public & {entry_point}
    else:
        kept = {name for name in public if not name.startswith("_")}
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            # Methods and attributes of a class can be used from outside.
            kept |= bound_by(_in_scope(node))
        elif isinstance(node, ast.arg):
            # A caller may pass an argument by its name.
            kept.add(node.arg)
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    return kept | (used - bound_by(nodes))


def _in_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below a module or class, except those inside of its functions and classes."""
    waiting = [node]
    while waiting:
        for child in ast.iter_child_nodes(waiting.pop()):
            yield child
            if not isinstance(child, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
                waiting.append(child)


def does_nothing(node: object) -> bool:
    """Return True for `pass`, and for a constant such as a docstring."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass)


def _does_nothing_or_prints(node: object) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
            return True
    return does_nothing(node)
