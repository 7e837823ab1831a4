"""Make mutants of a program, each with one small change of the syntax tree (DeMillo et al. 1978).

The operators are the usual ones for Python: another arithmetic, bitwise or logical operator, another comparison, a
negated condition, another constant, `None` instead of a result, a lost statement, `break` for `continue`.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random

from .syntax_tree import parse_source

_SKIPPED = frozenset({"annotation", "returns", "decorator_list", "type_comment", "format_spec", "pattern"})
"""Fields of the tree that no mutant changes: a test of the function cannot see them, or has no reason to."""

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
    """A program with one small change.

    Attributes:
        code: the whole program, as `ast.unparse` writes it.
        line: the line of the original that was changed, from 1.
        change: `a < b -> a <= b`, on one line.
    """

    code: str
    line: int
    change: str


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements that may replace a statement."""
    match node:
        case ast.AugAssign(target, operator, value):
            # `total += n` becomes `total -= n`, and is dropped as well.
            other_operator = _OPERATORS.get(type(operator))
            if other_operator is not None:
                yield ast.AugAssign(target, other_operator(), value)
            yield ast.Pass()
        case ast.Assign() | ast.Expr():
            yield ast.Pass()
        case ast.If(test, body, otherwise):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, otherwise)
        # A function that returns None already stays.
        case ast.Return(None) | ast.Return(ast.Constant(None)):
            pass
        case ast.Return():
            yield ast.Return(ast.Constant(None))
        # Leaving a loop becomes going on with it, and the reverse.
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


def _expressions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the expressions that may replace an expression."""
    match node:
        case ast.BinOp(left, operator, right):
            other_operator = _OPERATORS.get(type(operator))
            if other_operator is not None:
                yield ast.BinOp(left, other_operator(), right)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not() | ast.USub() | ast.Invert(), operand):
            yield operand
        case ast.IfExp(test, body, otherwise):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), test), body, otherwise)
        case ast.Compare(left, operators, right):
            # `a < b` becomes `a <= b` and `a >= b`; of a chain such as `a < b < c` one operator changes.
            for index, comparison in enumerate(operators):
                for other in _COMPARISONS[type(comparison)]:
                    yield ast.Compare(left, [*operators[:index], other(), *operators[index + 1 :]], right)
        case ast.Constant(bool() | int() | float() | str() as value):
            yield ast.Constant(_another(value))


def _another(value: float | str) -> float | str:
    if isinstance(value, str):
        return "" if value else "mutant"
    # Python counts True as the integer 1.
    return not value if isinstance(value, bool) else value + 1


# A function that puts a node into a place of the tree, the node that is there, and the node that makes the mutant.
_Change = tuple[Callable[[ast.AST], None], ast.AST, ast.AST]


def _changes(parent: ast.AST) -> Iterator[_Change]:
    """Yield all small changes below a node, in the order of the text."""
    for name, value in ast.iter_fields(parent):
        if name in _SKIPPED:
            continue
        for index, node in enumerate(value if isinstance(value, list) else [value]):
            # No test can see a docstring, and one for each piece of an f-string's text would be a mutant of wording.
            is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            is_text_of_fstring = isinstance(parent, ast.JoinedStr) and isinstance(node, ast.Constant)
            if not isinstance(node, ast.AST) or is_docstring or is_text_of_fstring:
                continue
            in_list = isinstance(value, list)
            put = partial(value.__setitem__, index) if in_list else partial(setattr, parent, name)
            for new in (*_statements(node), *_expressions(node)):
                yield put, node, new
            yield from _changes(node)


def _head(node: ast.AST) -> str:
    """Return a node's text on one line; of a compound statement its first line."""
    whole = ast.unparse(ast.fix_missing_locations(node))
    text = whole.partition("\n")[0]
    if len(text) <= 60:
        return text
    return f"{text[:42]}...{text[-15:]}"


def _mutant(change: _Change, tree: ast.Module) -> Mutant:
    """Return the mutant of a change. The tree is changed, written, and changed back, which is faster than a copy."""
    put, old, new = change
    text = f"{_head(old)} -> {_head(new)}"
    put(new)
    code = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
    put(old)
    return Mutant(code, getattr(old, "lineno", 0), text)


def mutants_of(code: str, limit: int, seed: str) -> list[Mutant]:
    """Return different mutants of a program, in the order of its text: all there are, or a random choice of `limit`.

    The same arguments give the same mutants. Some mutants may behave as the program does; that cannot be decided, and
    nothing here tries to. A program that cannot be parsed has none.

    Args:
        code: the program.
        limit: the largest number of mutants.
        seed: the seed of the choice.

    >>> [mutant.change for mutant in mutants_of("def f(x): return x + 1", 9, "")]
    ['return x + 1 -> return None', 'x + 1 -> x - 1', '1 -> 2']
    """
    try:
        tree = parse_source(code)
        changes = list(enumerate(_changes(tree)))
        # Only the chosen changes are written, in random order until there are enough of them.
        Random(seed).shuffle(changes)
        original = ast.unparse(tree) + "\n"
        chosen: dict[str, tuple[int, Mutant]] = {}
        for index, change in changes:
            if len(chosen) >= limit:
                break
            mutant = _mutant(change, tree)
            if mutant.code != original:
                chosen.setdefault(mutant.code, (index, mutant))
    except (SyntaxError, RecursionError):
        return []
    in_order = sorted(chosen.values(), key=lambda item: item[0])
    return [mutant for _, mutant in in_order]
