"""Mutants of a program: its syntax tree with one small change, as mutation testing makes them (DeMillo et al. 1978).

The operators are the usual ones for Python: another arithmetic, bitwise or logical operator, another comparison, a
negated condition, another constant, `None` in place of a result, a lost statement, `break` for `continue`.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

_SKIPPED = frozenset({"annotation", "returns", "decorator_list", "type_comment", "format_spec", "pattern"})
"""Fields of the tree that are left alone: they change nothing, or nothing that a test of the function can be after."""

_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}


@dataclass(frozen=True)
class Mutant:
    """A changed program.

    Attributes:
        code: the whole program, as `ast.unparse` writes it.
        line: where the original was changed, from 1.
        change: `a < b -> a <= b`, on one line.
    """

    code: str
    line: int
    change: str


@dataclass(frozen=True)
class _Site:
    """A place in the tree, what puts a node there, the node that is there and one to replace it."""

    put: Callable[[ast.AST], None]
    old: ast.AST
    new: ast.AST


def _constants(node: ast.Constant) -> Iterator[ast.AST]:
    match node.value:
        case bool() as value:
            yield ast.Constant(not value)
        case int() | float() as value:
            yield ast.Constant(value + 1)
        case str() as value:
            yield ast.Constant("" if value else "mutant")


def _negated(condition: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), condition)


def _comparisons(node: ast.Compare) -> Iterator[ast.AST]:
    for place, operator in enumerate(node.ops):
        for other in _COMPARISONS[type(operator)]:
            operators = [*node.ops[:place], other(), *node.ops[place + 1 :]]
            yield ast.Compare(node.left, operators, node.comparators)


def _expressions(node: ast.AST) -> Iterator[ast.AST]:
    """What an expression may be replaced by."""
    match node:
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            yield ast.BinOp(left, _OPERATORS[type(operator)](), right)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not() | ast.USub() | ast.Invert(), operand):
            yield operand
        case ast.IfExp(test, body, otherwise):
            yield ast.IfExp(_negated(test), body, otherwise)
        case ast.Compare():
            yield from _comparisons(node)
        case ast.Constant():
            yield from _constants(node)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """What a statement may be replaced by."""
    match node:
        case ast.AugAssign(target, operator, value):
            if type(operator) in _OPERATORS:
                yield ast.AugAssign(target, _OPERATORS[type(operator)](), value)
            yield ast.Pass()
        case ast.Assign() | ast.Expr():
            yield ast.Pass()
        case ast.If(test, body, otherwise):
            yield ast.If(_negated(test), body, otherwise)
        case ast.Return(ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


def _is_text(node: Any) -> bool:
    """Whether a node is a docstring, or another string that is nobody's value."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _children(parent: ast.AST) -> Iterator[tuple[Callable[[ast.AST], None], ast.AST]]:
    """The nodes below one that may be changed, each with what puts another in its place."""
    for name, value in ast.iter_fields(parent):
        if name in _SKIPPED:
            continue
        if isinstance(value, ast.AST):
            yield partial(setattr, parent, name), value
        elif isinstance(value, list):
            for place, item in enumerate(value):
                written = isinstance(parent, ast.JoinedStr) and isinstance(item, ast.Constant)
                if isinstance(item, ast.AST) and not _is_text(item) and not written:
                    yield partial(value.__setitem__, place), item


def _sites(tree: ast.AST) -> Iterator[_Site]:
    """All places to change, in the order of the text."""
    for put, node in _children(tree):
        for new in (*_statements(node), *_expressions(node)):
            yield _Site(put, node, new)
        yield from _sites(node)


def _head(node: ast.AST) -> str:
    """A node's text; of a compound statement its first line."""
    text = ast.unparse(ast.fix_missing_locations(node)).partition("\n")[0]
    return text if len(text) <= 60 else f"{text[:42]}...{text[-15:]}"


def _apply(site: _Site, tree: ast.Module) -> Mutant:
    change = f"{_head(site.old)} -> {_head(site.new)}"
    site.put(site.new)
    try:
        code = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
    finally:
        site.put(site.old)
    return Mutant(code, getattr(site.old, "lineno", 0), change)


def mutants_of(code: str, limit: int, seed: str) -> list[Mutant]:
    """Different mutants of a program, in the order of its text: all there are, or a random choice of `limit`.

    The same arguments give the same mutants. Some may do the same as the program; that cannot be decided, and nothing
    here tries to.

    Args:
        code: the program.
        limit: at most so many.
        seed: decides the choice.

    Raises:
        ValueError: the program cannot be parsed.

    >>> [mutant.change for mutant in mutants_of("def f(x): return x + 1", 9, "")]
    ['return x + 1 -> return None', 'x + 1 -> x - 1', '1 -> 2']
    """
    try:
        tree = ast.parse(code)
        sites = list(_sites(tree))
        order = list(range(len(sites)))
        Random(seed).shuffle(order)
        found: dict[str, tuple[int, Mutant]] = {ast.unparse(tree) + "\n": (-1, Mutant("", 0, ""))}
        for place in order:
            if len(found) > limit:
                break
            mutant = _apply(sites[place], tree)
            found.setdefault(mutant.code, (place, mutant))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # ValueError: NUL, before Python 3.11.4
        raise ValueError(f"the program cannot be parsed ({type(error).__name__}: {error})") from None
    return [mutant for place, mutant in sorted(found.values(), key=lambda item: item[0]) if place >= 0]
