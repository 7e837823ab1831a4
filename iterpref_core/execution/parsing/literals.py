"""Evaluate literals, the values that a test states, without running the test."""

import ast
import functools
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from iterpref_core.programs.source_code.syntax_tree import parse_expression

_NO_LITERAL = (SyntaxError, ValueError, TypeError, LookupError, RecursionError, MemoryError, ArithmeticError)
"""Errors that Python raises for an expression that is not a literal."""
_MAKERS: dict[str, Callable[..., Any]] = {
    "frozenset": frozenset,
    "set": set,
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "sorted": sorted,
    "float": float,
    "complex": complex,
}
"""Builtins that tests make values with; none makes a value that is larger than its source."""
_NUMBERS = {"inf": math.inf, "nan": math.nan}
_NUMBERS |= {f"math.{name}": getattr(math, name) for name in ("inf", "nan", "pi", "e", "tau")}
"""Names of numbers, in records. In a test they mean what the test has imported, and its `nan` is one object."""
_NONE: Mapping[str, float] = {}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
"""Operators whose results are as long as their operands, so that no test fills the memory."""


def value_of(source: str) -> Any:
    """Return the value that a record states as a Python literal, or by the name of a number.

    Raises:
        ValueError: the source is not one.
    """
    try:
        return literal(parse_expression(source), _NUMBERS)
    except SyntaxError:
        raise ValueError("no literal") from None


def literal(node: ast.expr, numbers: Mapping[str, float] = _NONE) -> Any:
    """Return the value of a literal; `float("inf")`, `frozenset({1})` and `2.0 / 3.0` also count as literals.

    Args:
        node: the expression.
        numbers: names of numbers in it.

    Raises:
        ValueError: it is not one.
    """
    try:
        return _value(node, numbers)
    except _NO_LITERAL:
        raise ValueError("no literal") from None


def _value(node: ast.expr, numbers: Mapping[str, float]) -> Any:  # noqa: C901 - a form a line
    value = functools.partial(_value, numbers=numbers)
    match node:
        case ast.Constant():
            return node.value
        case ast.List(items):
            return list(map(value, items))
        case ast.Tuple(items):
            return tuple(map(value, items))
        case ast.Set(items):
            return set(map(value, items))
        case ast.Dict():
            # `{**other}` has None as a key, which is not a literal.
            return dict(zip(map(value, node.keys), map(value, node.values), strict=True))
        case ast.UnaryOp(ast.USub(), operand):
            return -value(operand)
        case ast.UnaryOp(ast.UAdd(), operand):
            return +value(operand)
        case ast.BinOp():
            # `2.0 / 3.0`, `2 + 3j`
            operands = [value(node.left), value(node.right)]
            if all(isinstance(operand, int | float | complex) for operand in operands):
                return _ARITHMETIC[type(node.op)](*operands)
        case ast.Name() | ast.Attribute() if ast.unparse(node) in numbers:
            return numbers[ast.unparse(node)]
        case ast.Call(ast.Name(name), [] | [_], []) if name in _MAKERS:
            return _MAKERS[name](*map(value, node.args))
    raise ValueError("no literal")


def is_literal(node: ast.expr) -> bool:
    """Return whether an expression is a literal."""
    try:
        literal(node)
    except ValueError:
        return False
    return True
