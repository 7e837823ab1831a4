"""Take tests apart that the supervisor decides, from their source alone.

    assert sorted(f(3)) == [1, 2]      the program computes sorted(f(3)), the supervisor compares it with [1, 2]

A test is taken apart if it is one assertion about one call with literals, which compares the value with a literal, or
asks for its truth. Any other test runs inside: see `sandbox.runners`. HumanEval has 156 tasks of 164 whose tests have
this form alone, MBPP 969 of 974.
"""

import ast
import builtins
import functools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .literals import is_literal, literal
from .sources import UNREADABLE, parsed

_AROUND = (
    *("abs", "bytes", "dict", "float", "frozenset", "int", "len", "list", "max", "min", "repr", "round", "set"),
    *("sorted", "str", "sum", "tuple"),
)
"""Builtins that may be applied to the result in the program's process, since they do not depend on what is expected."""
_OPERATORS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Is: operator.is_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_MAX_SOURCE = 100_000
"""Length of a test that is read: no text of a value that equals one in it is as long as `canonical.MAX_TEXT`."""


@dataclass(frozen=True)
class Expected:
    """The expectation of a value.

    Attributes:
        holds: whether a value is right; raises if the value cannot be compared.
        source: the right value, or the whole condition, for people; None if it is unknown.
        text: canonical text of a value that is certainly right; empty if it is unknown.
        truth: the value is asked for its truth alone, which any object has.
    """

    holds: Callable[[Any], Any]
    source: str | None = None
    text: str = ""
    truth: bool = False


class Call(NamedTuple):
    """A call of the solution.

    Attributes:
        source: the call.
        then: source of the function of Python's that is applied to its value; may be empty.
    """

    source: str
    then: str


class Assertion(NamedTuple):
    """An assertion, taken apart.

    Attributes:
        call: of the solution.
        shown: the expression whose value is compared, for people.
        expected: of that value.
    """

    call: Call
    shown: str
    expected: Expected


@functools.lru_cache(maxsize=4096)
def read_assertion(source: str) -> Assertion | None:
    r"""Return the assertion of a test, taken apart; None for a test that runs inside.

    >>> call, shown, expected = read_assertion("assert sorted(f(3)) == [1, 2]")
    >>> call.source, call.then, expected.source
    ('f(3)', 'lambda value: sorted(value)', '[1, 2]')
    >>> read_assertion("xs = [1]\nassert f(xs) == 1")
    """
    try:
        # `xs = [1]` before the assertion, or a second assertion: the test runs inside.
        match parsed(source).body if len(source) <= _MAX_SOURCE else []:
            case [ast.Assert(test=condition)]:
                return _read(condition)
    except UNREADABLE:
        return None
    return None


def read_call(source: str) -> Call | None:
    """Return an expression that is a call of the solution, perhaps with builtins around it, taken apart; else None.

    >>> read_call("sorted(f(2))"), read_call("f(2) == 4")
    (Call(source='f(2)', then='lambda value: sorted(value)'), None)
    """
    try:
        match parsed(source.strip()).body:
            case [ast.Expr(value=value)]:
                return _call_in(value)
    except UNREADABLE:
        return None
    return None


def _read(condition: ast.expr) -> Assertion | None:
    """Return a condition, taken apart; None if it has another form.

    Raises:
        ValueError: a part of it is not a literal.
    """
    match condition:
        case ast.Compare(
            ast.Call(ast.Name("abs"), [ast.BinOp(left, ast.Sub(), right)]), [ast.Lt() | ast.LtE() as near], [bound]
        ):
            # `abs(f(x) - 0.5) < 1e-6`
            value, number = _value_and_literal(left, right)
            within, stated, most = _OPERATORS[type(near)], literal(number), literal(bound)
            return _about(value, Expected(lambda found: within(abs(found - stated), most), ast.unparse(condition)))
        case ast.Compare(left, [compared], [right]) if type(compared) in _OPERATORS:
            # `f(x) == 2`, `3 <= f(x)`, `f(x) is None`
            value, other = _value_and_literal(left, right)
            wanted = literal(other)
            # Texts of an order, and identities of other values than None and truths, need the program's own objects.
            if not isinstance(compared, ast.Eq | ast.NotEq | ast.Is) and not isinstance(wanted, int | float):
                return None
            if isinstance(compared, ast.Is) and not isinstance(wanted, bool | None):
                return None
            compare = _OPERATORS[type(compared)]
            # `expected 2` is shorter than `expected f(x) == 2`, and says as much.
            source = ast.unparse(other if isinstance(compared, ast.Eq | ast.Is) else condition)
            sides = (lambda found: (found, wanted)) if value is left else (lambda found: (wanted, found))
            return _about(value, Expected(lambda found: compare(*sides(found)), source))
        case ast.Call(ast.Attribute(ast.Name("math"), "isclose"), [left, right], keywords):
            # `math.isclose(f(x), 0.5, rel_tol=1e-3)`
            value, number = _value_and_literal(left, right)
            stated, settings = literal(number), {str(each.arg): literal(each.value) for each in keywords}
            return _about(
                value, Expected(lambda found: math.isclose(found, stated, **settings), ast.unparse(condition))
            )
        case ast.UnaryOp(ast.Not(), value) if _is_call(value):
            return _about(value, Expected(operator.not_, ast.unparse(condition), truth=True))
    return _about(condition, Expected(bool, "True", truth=True)) if _is_call(condition) else None


def _value_and_literal(left: ast.expr, right: ast.expr) -> tuple[ast.expr, ast.expr]:
    """Return the two sides of `f(x) == 2`, and of `2 == f(x)`, the literal last."""
    return (left, right) if is_literal(right) else (right, left)


def _about(value: ast.expr, expected: Expected) -> Assertion | None:
    call = _call_in(value)
    return None if call is None else Assertion(call, ast.unparse(value), expected)


def _call_in(node: ast.expr) -> Call | None:
    """Return the call of the solution that builtins are applied to; None if the expression has another form.

    `len(set(f(1)))` is `f(1)`, and then `lambda value: len(set(value))`. `sum(1, 2)` is the solution's own `sum`.
    """
    if _is_call(node):
        return Call(ast.unparse(node), "")
    around = "value"
    inner: Any = node
    calls = []
    while not _is_call(inner):
        match inner:
            case ast.Call(ast.Name(name), [argument, *more], []) if name in _AROUND and all(map(is_literal, more)):
                # `sorted(f(x), reverse=True)` has a keyword, and runs inside.
                calls.append((name, more))
                inner = argument
            case _:
                return None
    for name, more in reversed(calls):
        around = f"{name}({', '.join([around, *map(ast.unparse, more)])})"
    return Call(ast.unparse(inner), f"lambda value: {around}")


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
