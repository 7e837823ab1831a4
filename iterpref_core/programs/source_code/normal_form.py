"""Bring a program into a form without layout, comments, docstrings and annotations, with its own names numbered.

A name is the program's own if the program binds the name and no code outside can ask for it. Names of parameters, names
that a class binds, and module-level names that are used from outside are therefore kept.

Own names are numbered in the order of their first use, one number for all places of a name. Two programs of one
form differ by a renaming. A renaming in one scope alone may be missed.
"""

import ast
import builtins
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence

from .names import NAME_FIELDS, bound_by, name_in
from .syntax_tree import shared_tree

_BUILTINS = frozenset(dir(builtins))
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_UNCOUNTED = (ast.expr_context, ast.arguments, ast.comprehension)
"""Nodes that only hold others, and do not count for a program's size."""
_UNREAD = ("ctx", "annotation", "returns", "type_comment", "decorator_list")
"""Fields of nodes that make no other solution."""


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
    return _form(tree, _kept(tree, entry_point)) == _form(other, _kept(other, entry_point))


def solution_forms(code: str) -> list[tuple[int, int]]:
    """Return the form of each function's body: its statements in no order, and names told apart by where they are used.

    Two solutions with a form in common are one solution, renamed, reordered, or under another signature. Builtins and
    attributes keep their names. A body that prints has a second form without these calls.

    Returns:
        Pairs of the form, as a hash of this process, and its size in nodes of the syntax tree. Of a program without
        functions its statements are the body; a program that does not parse has no form.
    """
    try:
        tree = shared_tree(code)
    except SyntaxError:
        return []
    functions = [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]
    # Both ways for a program that prints.
    ways = {True, "print" not in code}
    return list(dict.fromkeys(_unordered(part, with_print=way) for part in functions or [tree] for way in ways))


def _unordered(part: ast.FunctionDef | ast.AsyncFunctionDef | ast.Module, *, with_print: bool) -> tuple[int, int]:
    """Return the form of a body, and its size."""
    nodes: list[ast.AST] = [ast.Module(part.body, [])]
    statements: dict[ast.AST, ast.AST] = {}
    for node in nodes:
        for child in ast.iter_child_nodes(node):
            if not does_nothing(child) and (with_print or not _prints(child)):
                statements[child] = child if isinstance(child, ast.stmt) else statements[node]
                nodes.append(child)
    # A program may call its own function `sum`.
    names: dict[object, object] = {name: name for name in _BUILTINS - bound_by(ast.walk(part))}
    shapes = _shapes(nodes, names)
    # In "n = 0\nm = 0\nfor x in y: n += x" n is what is set to 0 and grows, and m what is set to 0.
    uses: defaultdict[object, list[tuple[tuple[int, int], str]]] = defaultdict(list)
    for node, statement in statements.items():
        if type(node).__name__ in NAME_FIELDS:
            uses[name_in(node)].append((shapes[statement], type(getattr(node, "ctx", node)).__name__))
    return _shapes(nodes, {name: tuple(sorted(used)) for name, used in uses.items()} | names)[nodes[0]]


def _shapes(nodes: Sequence[ast.AST], names: Mapping[object, object]) -> dict[object, tuple[int, int]]:
    """Return the hash of each node's form, and its size. Names are replaced by what they map to, or all alike."""
    shapes: dict[object, tuple[int, int]] = {}
    # The parts of a node stand behind it.
    for node in reversed(nodes):
        parts: list[object] = [type(node)]
        size = int(not isinstance(node, _UNCOUNTED))
        for field, value in ast.iter_fields(node):
            if field in _UNREAD:
                continue
            if field == NAME_FIELDS.get(type(node).__name__):
                parts.append(names.get(value))
                continue
            if not isinstance(value, list | ast.AST):
                # Of 1, 1.0 and True each equals the others.
                parts.append((type(value), value))
                continue
            found = [shapes[item] for item in (value if isinstance(value, list) else [value]) if item in shapes]
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                found.sort()
            parts.append(tuple(found))
            size += sum(part_size for _, part_size in found)
        shapes[node] = hash(tuple(parts)), size
    return shapes


def _prints(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"


def _form(tree: ast.AST, kept: Container[str]) -> list[object]:
    """Return a normal form.

    Its parts are kinds of nodes, lengths of lists, constants, and names or, if they are not kept, their numbers.
    """
    # "def f(n: int):\n    'Add.'\n    m = n + 1" has the form of "def f(n):\n    ·0 = n + 1", if f and n are kept.
    parts: list[object] = []
    numbers: dict[str, int] = {}
    waiting: list[object] = [tree]
    # Nodes wait on a stack: a deeply nested program would exceed the limit of recursion.
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            # A docstring or `pass` does not change what a block does.
            effective = [item for item in part if not does_nothing(item)]
            parts.append(len(effective))
            waiting += effective
            continue
        if not isinstance(part, ast.AST):
            parts.append(part)
            continue
        parts.append(type(part))
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
    return parts


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
