"""Compare returned values with expected ones, out of the program's reach."""

import cmath
import functools
import math
from collections.abc import Callable
from typing import Any

from ..codec.canonical import UnencodableError, summarize
from ..parsing.assertions import Expected
from ..parsing.literals import value_of

_NUMBERS = {int, float, complex}
_RELATIVE = 1e-07
"""The relative tolerance, EvalPlus's. A test's own absolute tolerance comes in addition."""


def as_lists(value: Any) -> Any:
    """Return a value with lists instead of its tuples, except for keys and members of sets, which have to be hashed."""
    kind = type(value)
    if kind is list or kind is tuple:
        return [as_lists(item) for item in value]
    if kind is dict:
        return {key: as_lists(item) for key, item in value.items()}
    return value


def _near(actual: Any, expected: Any, atol: float) -> bool:
    # A tolerance of 1e-7 * inf would accept every number; these functions let only inf be near inf.
    isclose = cmath.isclose if complex in {type(actual), type(expected)} else math.isclose
    relative = 0.0 if type(expected) is int else _RELATIVE
    try:
        return isclose(actual, expected, rel_tol=relative, abs_tol=atol)
    except OverflowError:
        # An integer is too large for a float.
        return bool(actual == expected)


def is_close(actual: Any, expected: Any, atol: float) -> bool:
    """Return whether two values are of the same shape, and each number of one near its counterpart.

    >>> is_close({"a": (1, [2.0])}, {"a": (1, [2.0000001])}, 1e-6), is_close([], [3.14], 1e-6)
    (True, False)

    Args:
        actual: the value that was returned.
        expected: the right value.
        atol: how far decimal numbers may be off, absolutely, in addition to 1e-7 of the larger one if a decimal number
            is expected. Two integers must be equal.
    """
    kinds = {type(actual), type(expected)}
    # A tolerance is for rounding: 1000000006 is a wrong answer where 1000000007 is right.
    if kinds <= _NUMBERS and kinds != {int}:
        # `nan` is the expected number, and the program returned it.
        both_nan = actual != actual and expected != expected  # noqa: PLR0124 - nan alone differs from itself
        return _near(actual, expected, atol) or both_nan
    close = functools.partial(is_close, atol=atol)
    if kinds in ({list}, {tuple}):
        return len(actual) == len(expected) and all(map(close, actual, expected))
    # `{True: 1.0}` has the keys of `{1: 1.0}`.
    if kinds == {dict}:
        return actual.keys() == expected.keys() and all(close(actual[key], expected[key]) for key in expected)
    return bool(actual == expected)


@functools.lru_cache(maxsize=4096)
def expect(source: str, atol: float | None = None, *, tuples_as_lists: bool = False) -> Expected:
    """Return the expectation of an `io` test: a value that equals a literal, or is close to it with a tolerance.

    Args:
        source: a Python literal.
        atol: how far decimal numbers at any depth may be off.
        tuples_as_lists: a tuple is as right as a list of the same items.

    Raises:
        ValueError: the source is not a literal.
    """
    try:
        value = value_of(source)
        # Equal texts are equal values, `nan` included.
        text = summarize(value)
    except (ValueError, UnencodableError):
        raise ValueError(f"not a Python literal: {source[:80]!r}") from None
    shape: Callable[[Any], Any] = as_lists if tuples_as_lists else lambda value: value
    wanted = shape(value)

    def holds(actual: Any) -> bool:
        # `[(1, 2)]` becomes `[[1, 2]]`.
        found = shape(actual)
        return bool(found == wanted) or (atol is not None and is_close(found, wanted, atol))

    return Expected(holds, source.strip(), text)
