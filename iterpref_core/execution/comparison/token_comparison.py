r"""Comparison of a script's output with the right one, token by token.

White space separates tokens; their order and number count, as in CodeContests. Numbers are compared as decimals, so
that large integers keep all of their digits.

>>> first_difference("1  2\n", "1 2"), first_difference("2 1", "1 2"), first_difference("3.0", "3")
(None, OutputDifference(position=1, printed='2', expected='1'), None)
"""

import re
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from itertools import zip_longest
from typing import NamedTuple

_TOKEN = re.compile(r"[^ \t\n\r\v\f]+")
# Each digit is read in one way: with `\d+\.?\d*`, a long token without a number takes the square of its length.
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,9})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
# The range is wide, since a program may print `1e999999999`; the default context would raise an error.
_ARITHMETIC = Context(prec=50, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


class OutputDifference(NamedTuple):
    """The first difference between two outputs.

    Attributes:
        position: number of the token, from 1.
        printed: the token that was printed; None if the output ends before.
        expected: the token that was expected; None at the end of the expected output.
    """

    position: int
    printed: str | None
    expected: str | None


def _same_number(printed: str, expected: str, tolerance: Decimal | None) -> bool:
    if not _NUMBER.fullmatch(printed) or not _NUMBER.fullmatch(expected):
        return False
    ours = Decimal(printed)
    theirs = Decimal(expected)
    if ours == theirs:
        return True
    if tolerance is None or _INTEGER.fullmatch(expected):
        return False
    distance = _ARITHMETIC.subtract(ours, theirs).copy_abs()
    allowed = _ARITHMETIC.multiply(tolerance, max(Decimal(1), theirs.copy_abs()))
    return distance <= allowed


def _same_token(printed: str, expected: str, tolerance: Decimal | None, ignore_case: bool) -> bool:
    if printed == expected:
        return True
    if ignore_case and printed.casefold() == expected.casefold():
        return True
    return _same_number(printed, expected, tolerance)


def first_difference(
    printed: str, expected: str, *, tolerance: float | None = None, ignore_case: bool = False
) -> OutputDifference | None:
    """Return where two outputs differ first, or None if they are the same.

    Args:
        printed: the output of the program.
        expected: the right output.
        tolerance: how far a number may be off, absolutely or relative to the expected one; None: not at all. An
            integer must be met exactly, whatever the tolerance.
        ignore_case: whether `Yes` is `YES`.

    >>> first_difference("1 2", "1 3")
    OutputDifference(position=2, printed='2', expected='3')
    >>> first_difference("0.3333", "0.33333", tolerance=1e-3)
    """
    allowed = None if tolerance is None else Decimal(repr(tolerance))
    known_as_same: set[tuple[str, str]] = set()  # 25,000 times `1.0` and `1` are compared once
    for position, pair in enumerate(zip_longest(_TOKEN.findall(printed), _TOKEN.findall(expected)), 1):
        if pair not in known_as_same:
            if None in pair or not _same_token(*pair, allowed, ignore_case):
                return OutputDifference(position, *pair)
            known_as_same.add(pair)
    return None
