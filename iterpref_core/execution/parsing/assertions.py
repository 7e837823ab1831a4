"""Reads the `assert` tests that the supervisor decides, from their source alone.

    assert sorted(f(3)) == [1, 2]      the program computes sorted(f(3)), the supervisor compares it with [1, 2]

A test is read if it is one assertion about one call with literals. Any other test runs inside: see `sandbox.runners`.
HumanEval has 156 tasks of 164 whose tests have this form alone, MBPP 969 of 974.
"""

import ast
import builtins
import functools
import math
import operator
from collections.abc import Callable
from typing import Any

from iterpref_core.execution.codec.canonical import Likeness
from iterpref_core.execution.parsing.expected import Expected
from iterpref_core.execution.parsing.literals import is_literal, literal
from iterpref_core.execution.parsing.sources import UNREADABLE, parsed

_AROUND = (
    *("abs", "bytes", "dict", "float", "frozenset", "int", "len", "list", "max", "min", "repr", "round", "set"),
    *("sorted", "str", "sum", "tuple"),
)
"""Builtins that the program may apply to the result, since they do not depend on the expected value."""
_OPERATORS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Is: operator.is_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
Read = tuple[str, Expected]
"""The expression that the program computes, and what is expected of it."""
_MAX_SOURCE = 100_000
"""Length of a test that is read: no text of a value that equals one in it is as long as `canonical.MAX_TEXT`."""


@functools.lru_cache(maxsize=4096)
def read_assertion(source: str) -> Read | None:
    r"""Return the assertion of a test, taken apart; None for a test that runs inside.

    >>> value, expected = read_assertion("assert sorted(f(3)) == [1, 2]")
    >>> value, expected.source, read_assertion("xs = [1]\nassert f(xs) == 1")
    ('sorted(f(3))', '[1, 2]', None)
    """
    try:
        # `xs = [1]` before the assertion, or a second assertion: the test runs inside.
        match parsed(source).body if len(source) <= _MAX_SOURCE else []:
            case [ast.Assert(test=condition)]:
                return _read(condition)
    except UNREADABLE:
        return None
    return None


def read_expression(source: str) -> bool:
    """Return whether an expression is a call of the solution, perhaps with builtins around it.

    >>> read_expression("sorted(f(2))"), read_expression("f(2) == 4")
    (True, False)
    """
    try:
        match parsed(source.strip()).body:
            case [ast.Expr(value=value)]:
                return _builtins_around(value) is not None
    except UNREADABLE:
        return False
    return False


def _read(condition: ast.expr) -> Read | None:
    """Return a condition, taken apart; None if it has another form.

    Raises:
        ValueError: a part of it is not a literal.
    """
    match condition:
        case ast.Compare(
            ast.Call(ast.Name("abs"), [ast.BinOp(left, ast.Sub(), right)]), [ast.Lt() | ast.LtE() as near], [bound]
        ):
            # `abs(f(x) - 0.5) < 1e-6`
            within, most = _OPERATORS[type(near)], literal(bound)
            return _between(left, right, lambda one, other: within(abs(one - other), most), condition, "alike", {"abs"})
        case ast.Compare(left, [compared], [right]) if type(compared) in _OPERATORS:
            # `f(x) == 2`, `f(x) is None`, `3 <= f(x)`
            likeness: Likeness = "alike"
            if isinstance(compared, ast.Is):
                # Other literals have no identity that leaves the process: `f(x) is 1000`.
                if not isinstance(right, ast.Constant) or right.value not in (None, True, False):
                    return None
                likeness = "exact"
            elif isinstance(compared, ast.Eq | ast.NotEq):
                # `Decimal(2) == 2` in Python; `Decimal(2) - 0.5` raises.
                likeness = "equal"
            return _between(left, right, _OPERATORS[type(compared)], condition, likeness)
        case ast.Call(ast.Attribute(ast.Name("math"), "isclose"), [left, right], keywords):
            # `math.isclose(f(x), 0.5, rel_tol=1e-3)`
            settings = {str(each.arg): literal(each.value) for each in keywords}
            return _between(left, right, functools.partial(math.isclose, **settings), condition)
        case ast.UnaryOp(ast.Not(), value) if _is_call(value):
            return _assertion(value, operator.not_, ast.unparse(condition))
    return _assertion(condition, bool, "True") if _is_call(condition) else None


def _between(
    left: ast.expr,
    right: ast.expr,
    compare: Callable[[Any, Any], Any],
    condition: ast.expr,
    likeness: Likeness = "alike",
    names: frozenset[str] | set[str] = frozenset(),
) -> Read | None:
    """Return a comparison of a value with a literal, taken apart.

    Raises:
        ValueError: neither side is a literal.
    """
    # `f(x) == 2`, and `2 == f(x)`
    value, other = (left, right) if is_literal(right) else (right, left)
    stated = literal(other)
    is_equality = isinstance(condition, ast.Compare) and isinstance(condition.ops[0], ast.Eq | ast.Is)
    # `expected 2` is shorter than `expected f(x) == 2`, and says as much.
    expected = ast.unparse(other if is_equality else condition)

    def holds(found: Any) -> Any:
        return compare(found, stated) if value is left else compare(stated, found)

    return _assertion(value, holds, expected, likeness, names | _builtins_in(other))


def _assertion(
    value: ast.expr,
    holds: Callable[[Any], Any],
    expected: str,
    likeness: Likeness = "alike",
    names: frozenset[str] | set[str] = frozenset(),
) -> Read | None:
    around = _builtins_around(value)
    if around is None:
        return None
    return ast.unparse(value), Expected(holds, expected, likeness=likeness, builtins=frozenset(names) | around)


def _builtins_around(node: ast.expr) -> frozenset[str] | None:
    """Return the builtins that are applied to a call of the solution; None if the expression has another form.

    `sorted(set(f(1)))` has two, `f(1)` none. `sum(1, 2)` is a call of the solution's own `sum`.
    """
    if _is_call(node):
        return frozenset()
    match node:
        case ast.Call(ast.Name(name), [inner, *more], []) if name in _AROUND and all(map(is_literal, more)):
            # `sorted(f(x), reverse=True)` has a keyword, and runs inside.
            around = _builtins_around(inner)
            return None if around is None else around | {name}
    return None


def _is_call(node: ast.expr) -> bool:
    """Return whether an expression is a call of the solution with literals: `f([1])`, `Solution().f(1)`."""
    match node:
        case ast.Call(ast.Name(name)) if hasattr(builtins, name) and name not in _AROUND:
            return False
        case ast.Call(ast.Name() | ast.Attribute(value=ast.Name() | ast.Call(ast.Name(), [], [])), args, keywords):
            # `f(*[1, 2], **{'k': 3})`
            values = [each.value if isinstance(each, ast.Starred) else each for each in args]
            return all(map(is_literal, [*values, *(keyword.value for keyword in keywords)]))
    return False


def _builtins_in(node: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and hasattr(builtins, part.id)}
