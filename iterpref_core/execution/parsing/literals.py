"""Evaluate literals, the values that a test states, without running the test."""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from iterpref_core.programs.source_code.syntax_tree import parse

from ..codec.canonical import UnencodableError, decode, encode
from ..protocol.value_texts import show

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
NUMBERS = {"inf": math.inf, "nan": math.nan}
NUMBERS |= {f"math.{name}": getattr(math, name) for name in ("inf", "nan", "pi", "e", "tau")}
"""Names of numbers, in records. In a test they mean what the test has imported, and its `nan` is one object."""
_NONE: Mapping[str, float] = {}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
"""Operators whose results are as long as their operands, so that no test fills the memory."""


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
            # `2.0 / 3.0`, `2 + 3j`
            return _ARITHMETIC[type(node.op)](_number(node.left, numbers), _number(node.right, numbers))
        case ast.Name() | ast.Attribute() if ast.unparse(node) in numbers:
            return numbers[ast.unparse(node)]
        case ast.Call(func=ast.Name(name), args=[] | [_], keywords=[]) if name in _MAKERS:
            return _MAKERS[name](*[_value(each, numbers) for each in node.args])
    raise ValueError("no literal")


def _number(node: ast.expr, numbers: Mapping[str, float]) -> Any:
    value = _value(node, numbers)
    if not isinstance(value, int | float | complex):
        raise ValueError("no number")
    return value


def in_one_order(source: str) -> str:
    """Return a literal as a returned value is shown, with the same order of items; any other source as it is."""
    try:
        return show(decode(encode(literal(parse(source.strip(), "eval").body, NUMBERS))))
    except (*_NO_LITERAL, UnencodableError):
        return source


def is_literal(node: ast.expr) -> bool:
    """Return whether an expression is a literal."""
    try:
        literal(node)
    except ValueError:
        return False
    return True
