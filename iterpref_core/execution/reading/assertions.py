"""Assertions of `unittest`: the methods that say the same as a comparison, as that comparison."""

import ast
from collections.abc import Callable, Sequence
from typing import Any

from iterpref_core.execution.reading.conditions import MAX_DIGITS, Condition, ConditionReader
from iterpref_core.execution.reading.literals import is_literal
from iterpref_core.execution.reading.names import InsideError, Names

_COMPARISONS: dict[str, type[ast.cmpop]] = {
    "assertEqual": ast.Eq,
    "assertNotEqual": ast.NotEq,
    "assertIs": ast.Is,
    "assertIsNot": ast.IsNot,
    "assertIn": ast.In,
    "assertNotIn": ast.NotIn,
    "assertGreater": ast.Gt,
    "assertGreaterEqual": ast.GtE,
    "assertLess": ast.Lt,
    "assertLessEqual": ast.LtE,
    "assertMultiLineEqual": ast.Eq,
}
_OF_ONE_TYPE: dict[str, type] = {
    "assertListEqual": list,
    "assertTupleEqual": tuple,
    "assertDictEqual": dict,
}
_NONE = ast.Constant(None)
_OF_ONE_VALUE: dict[str, Callable[[ast.expr], ast.expr]] = {
    "assertTrue": lambda tested: tested,
    "assertFalse": lambda tested: ast.UnaryOp(ast.Not(), tested),
    "assertIsNone": lambda tested: ast.Compare(tested, [ast.Is()], [_NONE]),
    "assertIsNotNone": lambda tested: ast.Compare(tested, [ast.IsNot()], [_NONE]),
}


def read_method(names: Names, name: str, call: ast.Call) -> Condition:
    """Return the condition of a call of `self.assertEqual` or its like.

    Args:
        names: of the test.
        name: of the method.
        call: its call.

    Raises:
        InsideError: the method, or its condition, is none that the supervisor can decide.
    """
    reader = ConditionReader(names)
    options = {keyword.arg: keyword.value for keyword in call.keywords}
    operands = 1 if name in _OF_ONE_VALUE else 2
    more = len(call.args) - operands  # one of them is the message, or the number of places
    if more not in (0, 1) or (more and "msg" in options):
        raise InsideError(f"the arguments of {name}")
    if not all(map(is_literal, [options.pop("msg", _NONE), *call.args[operands:]])):
        raise InsideError(f"the arguments of {name}")
    if name in ("assertAlmostEqual", "assertNotAlmostEqual"):
        return _almost(reader, name, call.args, options)
    if options:
        raise InsideError(f"an option of {name}")
    if name in _OF_ONE_VALUE:
        return reader.read(_OF_ONE_VALUE[name](call.args[0]))
    left, right = call.args[:2]
    if name == "assertIsInstance":
        return reader.read(ast.Call(ast.Name("isinstance", ast.Load()), [left, right], []))
    if name in _COMPARISONS:
        return reader.read(ast.Compare(left, [_COMPARISONS[name]()], [right]))
    if name in _OF_ONE_TYPE:
        condition = reader.read(ast.Compare(left, [ast.Eq()], [right]))
        kind = _OF_ONE_TYPE[name]
        return condition._replace(holds=_all_of(condition.holds, lambda value: isinstance(value, kind)))
    raise InsideError(f"the assertion {name}")


def _all_of(*parts: Callable[[Any], Any]) -> Callable[[Any], bool]:
    return lambda value: all(part(value) for part in parts)


def _almost(reader: ConditionReader, name: str, args: Sequence[ast.expr], options: dict[Any, ast.expr]) -> Condition:
    """Return the condition of `assertAlmostEqual`: equal, within `delta`, or to so many decimal places."""
    if len(args) > 2:
        options = {"places": args[2], **options}
    places, delta = 7, None
    match list(options.items()):
        case [("delta", ast.Constant(int() | float() as stated))] if name == "assertAlmostEqual":
            delta = stated
        case [("places", ast.Constant(int() as stated))] if stated <= MAX_DIGITS:
            places = stated
        case _ if options:
            raise InsideError(f"an option of {name}")
    left, right = args[:2]
    condition = reader.read(ast.Compare(left, [ast.Eq()], [right]))
    one, other = reader.sides

    def is_near(value: Any) -> bool:
        first, second = one(value), other(value)
        if first == second:
            return True
        distance = abs(first - second)
        return bool(distance <= delta if delta is not None else round(distance, places) == 0)

    if name == "assertAlmostEqual":
        return condition._replace(holds=is_near)
    return condition._replace(holds=lambda value: not is_near(value))
