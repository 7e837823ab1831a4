"""Mutants of a program: its syntax tree with one small change, as mutation testing makes them (DeMillo et al. 1978).

The operators are the usual ones for Python: another arithmetic, bitwise or logical operator, another comparison, a
negated condition, another constant, `None` in place of a result, a lost statement, `break` for `continue`.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random

from iterpref_core.source_code.syntax_tree import parse_source

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
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, otherwise)
        case ast.Return(ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


def _expressions(node: ast.AST) -> Iterator[ast.AST]:
    """What an expression may be replaced by."""
    match node:
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            yield ast.BinOp(left, _OPERATORS[type(operator)](), right)
        case ast.BoolOp(junction, values):
            yield ast.BoolOp(ast.Or() if isinstance(junction, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not() | ast.USub() | ast.Invert(), operand):
            yield operand
        case ast.IfExp(test, body, otherwise):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), test), body, otherwise)
        case ast.Compare(left, comparisons, others):
            for place, comparison in enumerate(comparisons):
                for changed in _COMPARISONS[type(comparison)]:
                    yield ast.Compare(left, [*comparisons[:place], changed(), *comparisons[place + 1 :]], others)
        case ast.Constant(bool() | int() | float() | str() as value):
            yield ast.Constant(_another(value))


def _another(value: float | str) -> float | str:
    if isinstance(value, str):
        return "" if value else "mutant"
    return not value if isinstance(value, bool) else value + 1


_Change = tuple[Callable[[ast.AST], None], ast.AST, ast.AST]
"""What puts a node into its place in the tree, the node that is there, and another one."""


def _changes(parent: ast.AST) -> Iterator[_Change]:
    """All small changes below a node, in the order of the text."""
    for name, value in ast.iter_fields(parent):
        if name in _SKIPPED:
            continue
        places = [(partial(setattr, parent, name), value)]
        if isinstance(value, list):
            places = [(partial(value.__setitem__, place), item) for place, item in enumerate(value)]
        for put, node in places:
            # Docstrings and other strings that are nobody's value, and what an f-string writes, are left alone.
            text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            written = isinstance(parent, ast.JoinedStr) and isinstance(node, ast.Constant)
            if isinstance(node, ast.AST) and not text and not written:
                yield from ((put, node, new) for new in (*_statements(node), *_expressions(node)))
                yield from _changes(node)


def _head(node: ast.AST) -> str:
    """A node's text; of a compound statement its first line."""
    text = ast.unparse(ast.fix_missing_locations(node)).partition("\n")[0]
    return text if len(text) <= 60 else f"{text[:42]}...{text[-15:]}"


def _apply(change: _Change, tree: ast.Module) -> Mutant:
    put, old, new = change
    text = f"{_head(old)} -> {_head(new)}"
    put(new)
    try:
        code = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
    finally:
        put(old)
    return Mutant(code, getattr(old, "lineno", 0), text)


def mutants_of(code: str, limit: int, seed: str) -> list[Mutant]:
    """Different mutants of a program, in the order of its text: all there are, or a random choice of `limit`.

    The same arguments give the same mutants. Some may do the same as the program; that cannot be decided, and nothing
    here tries to. A program that cannot be parsed has none.

    Args:
        code: the program.
        limit: at most so many.
        seed: decides the choice.

    >>> [mutant.change for mutant in mutants_of("def f(x): return x + 1", 9, "")]
    ['return x + 1 -> return None', 'x + 1 -> x - 1', '1 -> 2']
    """
    try:
        tree = parse_source(code)
        changes = list(_changes(tree))
        order = list(range(len(changes)))
        Random(seed).shuffle(order)
        chosen: dict[str, tuple[int, Mutant]] = {ast.unparse(tree) + "\n": (-1, Mutant("", 0, ""))}
        for place in order:
            if len(chosen) > limit:
                break
            mutant = _apply(changes[place], tree)
            chosen.setdefault(mutant.code, (place, mutant))
    except (SyntaxError, RecursionError):
        return []
    return [mutant for place, mutant in sorted(chosen.values(), key=lambda item: item[0]) if place >= 0]
