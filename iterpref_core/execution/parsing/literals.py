"""Evaluate literals, the values that a test states, without running the test."""

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

_NO_LITERAL = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError, OverflowError, ZeroDivisionError)
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
NUMBERS = {"inf": math.inf, "nan": math.nan}
NUMBERS |= {f"math.{name}": getattr(math, name) for name in ("inf", "nan", "pi", "e", "tau")}
"""Names of numbers, in records. In a test they mean what the test has imported, and its `nan` is one object."""
_NONE: Mapping[str, float] = {}
_MAX_NUMBER = 10**30
_MAX_POWER = 64
_MAX_ITEMS = 1000


def literal(node: ast.expr, numbers: Mapping[str, float] = _NONE) -> Any:
    """Return the value of a literal; `float("inf")`, `frozenset({1})`, `[0] * 3` and `2 ** 10` also count as literals.

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
    match node:
        case ast.Constant():
            return node.value
        case ast.List():
            return [_value(item, numbers) for item in node.elts]
        case ast.Tuple():
            return tuple([_value(item, numbers) for item in node.elts])
        case ast.UnaryOp(ast.USub(), operand):
            return -_value(operand, numbers)
        case ast.Dict():
            # `{**other}` has None as a key, which is not a literal.
            keys = [_value(key, numbers) for key in node.keys]  # type: ignore[arg-type]
            return dict(zip(keys, [_value(value, numbers) for value in node.values], strict=True))
        case ast.Set():
            return {_value(item, numbers) for item in node.elts}
        case ast.UnaryOp(ast.UAdd(), operand):
            return +_value(operand, numbers)
        case ast.BinOp():
            return _computed(node.op, _value(node.left, numbers), _value(node.right, numbers))
        case ast.Name() | ast.Attribute() if ast.unparse(node) in numbers:
            return numbers[ast.unparse(node)]
        case ast.Call(func=ast.Name(name), args=[] | [_], keywords=[]) if name in _MAKERS:
            return _MAKERS[name](*[_value(each, numbers) for each in node.args])
    raise ValueError("no literal")


def _computed(operator: ast.operator, left: Any, right: Any) -> Any:
    """Return the result of an operator on two literals; a test's author may have written a value that fills the memory.

    Raises:
        ValueError: the operator or its operands have another form, or the result may be too large.
    """
    # `10 ** 10 ** 10` would take all memory.
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
        # `'a' + 'b'`, `[1] + [2]`
        case ast.Add() if type(left) is type(right) and isinstance(left, str | list | tuple):
            if len(left) + len(right) <= _MAX_ITEMS:
                return left + right
        case ast.Mult() if isinstance(left, str | list | tuple) and type(right) is int:
            # Of lists in lists, `[[[0] * 999] * 999] * 999` would fill the memory.
            if len(left) * right <= _MAX_ITEMS and not any(isinstance(item, list | tuple) for item in left):
                return left * right
    raise ValueError("no literal")


def is_literal(node: ast.expr) -> bool:
    """Return whether an expression is a literal."""
    try:
        literal(node)
    except ValueError:
        return False
    return True
