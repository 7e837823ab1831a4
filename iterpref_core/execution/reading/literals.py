"""Literals: the values that a test states, evaluated by the supervisor without running the test."""

import ast
import math
from collections.abc import Callable
from typing import Any

_NO_LITERAL = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError, OverflowError, ZeroDivisionError)
"""Errors by which Python says that an expression is no literal."""
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
_CONSTANTS = {"inf": math.inf, "nan": math.nan, "pi": math.pi, "e": math.e, "tau": math.tau}
_MAX_NUMBER = 10**30
_MAX_POWER = 64
_MAX_ITEMS = 1000


def literal(node: ast.expr) -> Any:
    """Return the value of a literal: `float("inf")`, `frozenset({1})`, `[0] * 3` and `2 ** 10` are literals, too.

    Raises:
        ValueError: it is not one.
    """
    try:
        return _value(node)
    except _NO_LITERAL:
        raise ValueError("no literal") from None


def _value(node: ast.expr) -> Any:  # noqa: C901 - a form a line
    match node:
        case ast.Constant():
            return node.value
        case ast.List():
            return [_value(item) for item in node.elts]
        case ast.Tuple():
            return tuple([_value(item) for item in node.elts])
        case ast.UnaryOp(ast.USub(), operand):
            return -_value(operand)
        case ast.Dict():
            return {_value(key): _value(value) for key, value in zip(node.keys, node.values, strict=True)}  # type: ignore[arg-type]
        case ast.Set():
            return {_value(item) for item in node.elts}
        case ast.UnaryOp(ast.UAdd(), operand):
            return +_value(operand)
        case ast.BinOp():
            return _computed(node.op, _value(node.left), _value(node.right))
        case ast.Name("nan" | "inf" as name):
            return float(name)
        case ast.Attribute(ast.Name("math"), name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.Call(func=ast.Name(name), args=[] | [_], keywords=[]) if name in _MAKERS:
            return _MAKERS[name](*map(_value, node.args))
    raise ValueError("no literal")


def _computed(operator: ast.operator, left: Any, right: Any) -> Any:
    """Return the result of an operator on two literals; a test's author may have written a value that fills the memory.

    Raises:
        ValueError: it is none of these, or may be too large.
    """
    numbers = all(isinstance(each, int | float) and abs(each) <= _MAX_NUMBER for each in (left, right))
    match operator:
        case ast.Add() if numbers or (isinstance(left, int | float) and isinstance(right, complex)):  # `2 + 3j`
            return left + right
        case ast.Sub() if numbers or (isinstance(left, int | float) and isinstance(right, complex)):
            return left - right
        case ast.Mult() if numbers:
            return left * right
        case ast.Div() if numbers:
            return left / right
        case ast.Pow() if numbers and 0 <= right <= _MAX_POWER:
            return left**right
        case ast.Add() if type(left) is type(right) and isinstance(left, str | list | tuple):
            if len(left) + len(right) <= _MAX_ITEMS:
                return left + right
        case ast.Mult() if isinstance(left, str | list | tuple) and type(right) is int:
            # Of lists in lists, `[[[0] * 999] * 999] * 999` would fill the memory.
            if len(left) * right <= _MAX_ITEMS and not any(isinstance(item, list | tuple) for item in left):
                return left * right
    raise ValueError("no literal")


def is_literal(node: ast.expr) -> bool:
    """Tell whether an expression is a literal."""
    try:
        literal(node)
    except ValueError:
        return False
    return True
