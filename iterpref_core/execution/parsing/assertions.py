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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from iterpref_core.programs.source_code.syntax_tree import parse_expression, parse_source

from .literals import is_literal, literal

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""Errors of a source that is not Python, or that Python cannot write again."""

_AROUND = (
    *("abs", "bytes", "dict", "float", "frozenset", "int", "len", "list", "max", "min", "repr", "round", "set"),
    *("sorted", "str", "sum", "tuple"),
)
"""Builtins that may be applied to the result in the program's process, since they do not depend on what is expected."""
_NUMBER = (int, float)
_COMPARED: dict[type[ast.cmpop], Any] = {
    ast.Eq: object,
    ast.NotEq: object,
    # Identities of other values, and texts of an order, need the program's own objects.
    ast.Is: (bool, type(None)),
    ast.Lt: _NUMBER,
    ast.LtE: _NUMBER,
    ast.Gt: _NUMBER,
    ast.GtE: _NUMBER,
}
"""Comparisons, with the types of the literals that they are read with."""
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
        match parse_source(source).body if len(source) <= _MAX_SOURCE else []:
            case [ast.Assert(test=condition)]:
                return _read(condition)
    except UNREADABLE:
        return None
    return None


def read_call(source: str) -> Call | None:
    """Return an expression that is a call of the solution, perhaps with builtins around it, taken apart; else None.

    >>> read_call("sorted(f(2))"), read_call("f(2) == 4")
    (Call(source='f(2)', then='lambda value: sorted(value)'), None)

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: the source is no expression of Python.
    """
    return _call_in(parse_expression(source))


def _read(condition: ast.expr) -> Assertion | None:
    """Return a condition about one call, whose other parts are literals, taken apart; None if it has another form."""
    kinds: Any = object
    match condition:
        case ast.Compare(
            ast.Call(ast.Name("abs"), [ast.BinOp(left, ast.Sub(), right)], []), [ast.Lt() | ast.LtE()], [bound]
        ):
            # `abs(f(x) - 0.5) < 1e-6`
            parts = [left, right, bound]
        case ast.Compare(left, [compared], [right]) if type(compared) in _COMPARED:
            # `f(x) == 2`, `3 <= f(x)`, `f(x) is None`
            parts, kinds = [left, right], _COMPARED[type(compared)]
        case ast.Call(ast.Attribute(ast.Name("math"), "isclose"), [left, right], keywords):
            # `math.isclose(f(x), 0.5, rel_tol=1e-3)`
            parts = [left, right, *(each.value for each in keywords)]
        case ast.UnaryOp(ast.Not(), operand):
            parts = [operand]
        case _:
            parts = [condition]
    literals = [part for part in parts if is_literal(part)]
    others = [part for part in parts if part not in literals]
    if len(others) != 1 or not all(isinstance(literal(each), kinds) for each in literals):
        return None
    value = others[0]
    shown = ast.unparse(value)
    # `expected 2` is shorter than `expected f(x) == 2`, and says as much.
    is_plain = isinstance(condition, ast.Compare) and isinstance(condition.ops[0], ast.Eq | ast.Is)
    expected = "True" if value is condition else ast.unparse(literals[0] if is_plain else condition)
    # Of literals and these few operators and functions alone, nothing can go wrong out here.
    holds = eval(_function(condition, value), {"math": math})
    call = _call_in(value)
    return None if call is None else Assertion(call, shown, Expected(holds, expected, truth=not literals))


def _call_in(node: ast.expr) -> Call | None:
    """Return the call of the solution that builtins are applied to; None if the expression has another form.

    `len(set(f(1)))` is `f(1)`, and then `lambda value: len(set(value))`. `sum(1, 2)` is the solution's own `sum`.
    """
    inner: Any = node
    while not _is_call(inner):
        match inner:
            case ast.Call(ast.Name(name), [argument, *more], []) if name in _AROUND and all(map(is_literal, more)):
                # `sorted(f(x), reverse=True)` has a keyword, and runs inside.
                inner = argument
            case _:
                return None
    return Call(ast.unparse(inner), "" if inner is node else _function(node, inner))


class _Replacing(ast.NodeTransformer):
    """Replaces one part of an expression by the name `value`."""

    def __init__(self, part: ast.expr) -> None:
        self._part = part

    def visit(self, node: ast.AST) -> Any:
        return ast.Name("value") if node is self._part else self.generic_visit(node)


def _function(node: ast.expr, part: ast.expr) -> str:
    """Return the source of an expression as a function of a part, which is replaced in the tree."""
    return f"lambda value: {ast.unparse(_Replacing(part).visit(node))}"


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
