"""Expectations: the values that returned ones are compared with, out of the program's reach."""

import cmath
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from iterpref_core.execution.codec.canonical import UnencodableError, summarize
from iterpref_core.execution.reading.literals import NUMBERS, literal
from iterpref_core.programs.source_code.syntax_tree import parse

_RELATIVE = 1e-07
"""The relative tolerance, EvalPlus's. A test's own absolute tolerance comes in addition."""


@dataclass(frozen=True)
class Expected:
    """The expectation of a value.

    Attributes:
        holds: whether a value is right; raises for one that cannot be compared.
        source: the right value, for people; None if nobody can say.
        text: canonical text of the one value that is certainly right; empty if there is no such.
    """

    holds: Callable[[Any], Any]
    source: str | None = None
    text: str = ""


def _exact(value: Any) -> Any:
    """Return a key that only values of the same types all the way down have in common.

    >>> _exact((1,)) == _exact((True,)), _exact((1,)) == _exact((1,))
    (False, True)
    """
    kind = type(value)
    if kind is tuple:
        return kind, tuple(map(_exact, value))
    if kind is frozenset:
        return kind, frozenset(map(_exact, value))
    if kind is float and math.isnan(value):
        return kind, "nan"
    return kind, value


def identical(left: Any, right: Any) -> bool:
    """Tell whether two values are equal with the same types all the way down; nan equals nan, 0.0 equals -0.0."""
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is list or kind is tuple:
        return len(left) == len(right) and all(map(identical, left, right))
    if kind is dict:
        return _same_items(left, right, identical)
    if kind is set or kind is frozenset:
        return len(left) == len(right) and set(map(_exact, left)) == set(map(_exact, right))
    if kind is float and math.isnan(left):
        return math.isnan(right)
    return bool(left == right)


def _same_items(left: dict[Any, Any], right: dict[Any, Any], same: Callable[[Any, Any], bool]) -> bool:
    """Tell whether two dictionaries have keys of the same types, and the same values under each."""
    if len(left) != len(right):
        return False
    # {1: "a"} and {True: "a"} are equal to Python: the keys (int, 1) and (bool, True) are not.
    of_left = {_exact(key): value for key, value in left.items()}
    of_right = {_exact(key): value for key, value in right.items()}
    if of_left.keys() != of_right.keys():
        return False
    return all(same(of_left[key], of_right[key]) for key in of_left)


def as_lists(value: Any) -> Any:
    """Return a value with lists in the place of its tuples, but for those that have to be hashed."""
    kind = type(value)
    if kind is list or kind is tuple:
        return [as_lists(item) for item in value]
    if kind is dict:
        return {key: as_lists(item) for key, item in value.items()}
    return value


def _is_number(value: Any) -> bool:
    return type(value) in (int, float, complex)


def _near(actual: Any, expected: Any, atol: float) -> bool:
    # A tolerance of 1e-7 * inf would accept every number; these functions let only inf be near inf.
    isclose = cmath.isclose if complex in {type(actual), type(expected)} else math.isclose
    try:
        return isclose(actual, expected, rel_tol=_RELATIVE, abs_tol=atol)
    except OverflowError:
        # An integer is too large for a float.
        return bool(actual == expected)


def is_close(actual: Any, expected: Any, atol: float) -> bool:
    """Tell whether two values are of the same shape, and each number of one near its counterpart.

    >>> is_close({"a": (1, [2.0])}, {"a": (1, [2.0000001])}, 1e-6), is_close([], [3.14], 1e-6)
    (True, False)

    Args:
        actual: the value that was returned.
        expected: the right value.
        atol: how far numbers may be off, absolutely; they may also be off by 1e-7 of the larger number.
    """
    if _is_number(actual) and _is_number(expected):
        both_nan = actual != actual and expected != expected  # noqa: PLR0124 - nan alone differs from itself
        return _near(actual, expected, atol) or both_nan
    kind = type(expected)
    if type(actual) is not kind:
        return False
    close = functools.partial(is_close, atol=atol)
    if kind is list or kind is tuple:
        return len(actual) == len(expected) and all(map(close, actual, expected))
    if kind is dict:
        return _same_items(actual, expected, close)
    if kind is set or kind is frozenset:
        return identical(actual, expected) or _pair_up(list(actual), list(expected), close)
    return identical(actual, expected)


def _pair_up(actual: list[Any], expected: list[Any], close: Callable[[Any, Any], bool]) -> bool:
    """Tell whether the members of two sets can be paired in the order of their numbers."""
    if len(actual) != len(expected):
        return False
    if not all(map(_is_number, [*actual, *expected])):
        return False
    try:
        return all(map(close, sorted(actual), sorted(expected)))
    except TypeError:
        return False


@functools.lru_cache(maxsize=4096)
def expect(source: str, atol: float | None = None, *, tuples_as_lists: bool = False) -> Expected:
    """Return the expectation of an `io` test: a value of exactly these types, or, with a tolerance, one that is close.

    Args:
        source: a Python literal.
        atol: how far numbers at any depth may be off; with one, `1` and `1.0` are equal.
        tuples_as_lists: a tuple is as right as a list of the same items.

    Raises:
        ValueError: the source is not a literal.
    """
    try:
        value = literal(parse(source.strip(), "eval").body, NUMBERS)
        text = summarize(value, "exact" if atol is None else "equal")
    except (SyntaxError, ValueError, RecursionError, MemoryError, UnencodableError):
        raise ValueError(f"not a Python literal: {source[:80]!r}") from None
    shape = as_lists if tuples_as_lists else _as_it_is
    wanted = shape(value)
    if atol is None:
        return Expected(lambda actual: identical(shape(actual), wanted), source.strip(), text)

    def holds(actual: Any) -> bool:
        found = shape(actual)
        return bool(found == wanted) or is_close(found, wanted, atol)

    return Expected(holds, source.strip(), text)


def _as_it_is(value: Any) -> Any:
    return value
