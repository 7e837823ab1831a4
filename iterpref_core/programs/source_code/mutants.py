"""Make mutants of a program, each with one small change of the syntax tree (DeMillo et al. 1978).

The operators are the usual ones for Python: another arithmetic, bitwise or logical operator, another comparison, a
negated condition, another constant, `None` instead of a result, a lost statement, `break` for `continue`.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random

from iterpref_core.programs.source_code.syntax_tree import parse_source

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
            negated = ast.UnaryOp(ast.Not(), test)
            yield ast.If(negated, body, otherwise)
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
        case ast.BoolOp(ast.And(), values):
            yield ast.BoolOp(ast.Or(), values)
        case ast.BoolOp(ast.Or(), values):
            yield ast.BoolOp(ast.And(), values)
        case ast.UnaryOp(ast.Not() | ast.USub() | ast.Invert(), operand):
            yield operand
        case ast.IfExp(test, body, otherwise):
            negated = ast.UnaryOp(ast.Not(), test)
            yield ast.IfExp(negated, body, otherwise)
        case ast.Compare():
            # `a < b` becomes `a <= b` and `a >= b`.
            yield from _comparisons(node)
        case ast.Constant(bool() | int() | float() | str() as value):
            yield ast.Constant(_another(value))


def _comparisons(node: ast.Compare) -> Iterator[ast.Compare]:
    """Yield a comparison, or a chain such as `a < b < c`, with an operator changed."""
    for index, comparison in enumerate(node.ops):
        for other in _COMPARISONS[type(comparison)]:
            operators = list(node.ops)
            operators[index] = other()
            yield ast.Compare(node.left, operators, node.comparators)


def _another(value: float | str) -> float | str:
    if isinstance(value, str):
        return "" if value else "mutant"
    # Python counts True as the integer 1.
    if isinstance(value, bool):
        return not value
    return value + 1


@dataclass(frozen=True)
class _Change:
    """One node of a tree and another node for its place.

    Attributes:
        put: puts a node into that place of the tree.
        old: the node that is there.
        new: the node that makes the mutant.
    """

    put: Callable[[ast.AST], None]
    old: ast.AST
    new: ast.AST


def _changes(parent: ast.AST) -> Iterator[_Change]:
    """Yield all small changes below a node, in the order of the text."""
    for put, node in _places(parent):
        # No test can see a docstring, and one for each piece of an f-string's text would be a mutant of wording.
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_text_of_fstring = isinstance(parent, ast.JoinedStr) and isinstance(node, ast.Constant)
        if is_docstring or is_text_of_fstring:
            continue
        for new in (*_statements(node), *_expressions(node)):
            yield _Change(put, node, new)
        yield from _changes(node)


def _places(parent: ast.AST) -> Iterator[tuple[Callable[[ast.AST], None], ast.AST]]:
    """Yield the nodes directly below a node, each with a function that puts another node into its place."""
    for name, value in ast.iter_fields(parent):
        if name in _SKIPPED:
            continue
        if isinstance(value, ast.AST):
            yield partial(setattr, parent, name), value
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield partial(value.__setitem__, index), item


def _head(node: ast.AST) -> str:
    """Return a node's text on one line; of a compound statement its first line."""
    whole = ast.unparse(ast.fix_missing_locations(node))
    text = whole.partition("\n")[0]
    if len(text) <= 60:
        return text
    return f"{text[:42]}...{text[-15:]}"


def _apply(change: _Change, tree: ast.Module) -> Mutant:
    text = f"{_head(change.old)} -> {_head(change.new)}"
    # The tree is changed, written, and changed back: a copy of it for each mutant would take longer.
    change.put(change.new)
    try:
        code = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
    finally:
        change.put(change.old)
    line = getattr(change.old, "lineno", 0)
    return Mutant(code, line, text)


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
        changes = list(_changes(tree))
        order = list(range(len(changes)))
        # Only the chosen changes are written, in random order until there are enough of them.
        Random(seed).shuffle(order)
        original = ast.unparse(tree) + "\n"
        chosen: dict[str, tuple[int, Mutant]] = {}
        for index in order:
            if len(chosen) >= limit:
                break
            mutant = _apply(changes[index], tree)
            if mutant.code != original:
                chosen.setdefault(mutant.code, (index, mutant))
    except (SyntaxError, RecursionError):
        return []
    in_order = sorted(chosen.values(), key=lambda item: item[0])
    return [mutant for _, mutant in in_order]
