r"""Read the call tests of published sets, whose arguments and results are JSON, which lacks some values of Python.

JSON has no tuples, so a tuple is right where a list is expected. Four more things can be read in two ways:

- A mapping's keys are texts in JSON: `{"1": 2}` may mean `{1: 2}`.
- APPS and its descendants put a function's result into a list in some problems, and not in others: `[[1, 3]]` is
  either the result `[[1, 3]]` or the result `[1, 3]`.
- A result that is a text stays a text: `"101"` is a text of digits. Some sets put a result's JSON into a text instead.
- An object `{"a": 1, "b": 2}` as arguments is one argument, or names them: `f(a=1, b=2)`.

Each combination is a reading of the problem. A right program decides: the reading that it passes is meant. Without
a right program, a problem whose keys or lists can be read in two ways is left out.

Arguments in a text are JSON, a value a line, and so are their results: LiveCodeBench's grader has one reading of these.
"""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import product
from typing import Any

from iterpref_core.programs.source_code.names import is_name
from iterpref_core.records import IoTest, parse_json

CONTEST_SETUP = """\
import bisect, collections, copy, functools, heapq, itertools, math, operator, random, re, string, sys
from collections import Counter, OrderedDict, defaultdict, deque
from functools import cache, cmp_to_key, lru_cache, reduce
from heapq import heapify, heappop, heappush, heappushpop, nlargest, nsmallest
from itertools import accumulate, combinations, permutations, product
from math import ceil, comb, factorial, floor, gcd, inf, sqrt
from typing import *
"""
"""Imports that contest sites make for a program, as on LeetCode, where programs use `List` without an import."""

_LONG = 10**4300
"""The first integer that Python refuses to write in decimal."""

Examples = list[tuple[Any, Any]]
"""The arguments of each call, a list or an object of their names, and its published result."""


def read_arguments(value: Any) -> list[Any]:
    r"""Return the arguments of a call: a list of them, or a text with a JSON value a line, as on LiveCodeBench.

    >>> read_arguments([[1, 2], 3]), read_arguments("[1, 2]\n3")
    ([[1, 2], 3], [[1, 2], 3])

    Raises:
        ValueError: the text is not JSON.
    """
    if not isinstance(value, str):
        return value if isinstance(value, list) else [value]
    try:
        return [parse_json(line) for line in value.split("\n") if line.strip()]
    except ValueError as error:
        raise ValueError(f"the arguments of a call are JSON, a value a line, and not {value!r} ({error})") from None


def call_readings(call: str, examples: Examples, *, in_texts: bool = False) -> Iterator[tuple[IoTest, ...]]:
    """Yield the tests of calls, once for each reading of them, the plainest first. Each is made when it is asked for.

    Args:
        call: the expression that is called.
        examples: arguments and result of each test.
        in_texts: the arguments were JSON in texts, so that a result in a text is JSON first.

    Raises:
        ValueError: the plainest reading cannot be written in Python.
    """
    # Two ways of reading often give the same tests, which run once.
    made: list[Examples] = []
    for in_json, by_name, bare, numbered in product((in_texts, not in_texts), *[(False, True)] * 3):
        reading = _read(examples, in_json=in_json, by_name=by_name, bare=bare, numbered=numbered)
        if reading is None or reading in made:
            continue
        made.append(reading)
        try:
            tests = tuple(_test(call, *example) for example in reading)
        except ValueError:
            # The text "NaN" is not read as JSON, since NaN cannot be expected.
            if len(made) > 1:
                continue
            raise
        yield tests


def is_ambiguous(examples: Examples) -> bool:
    """Return True if official graders read the examples in several ways: APPS's takes `[1]` for 1, and "1" as a key."""
    return _read(examples, bare=True) is not None or _read(examples, numbered=True) != examples


def _read(
    examples: Examples, *, in_json: bool = False, by_name: bool = False, bare: bool = False, numbered: bool = False
) -> Examples | None:
    """Return the examples in one reading; None if they cannot be read in this way.

    Args:
        examples: arguments and result of each test.
        in_json: a result in a text is JSON.
        by_name: `[{"a": 1, "b": 2}]` are the arguments `f(a=1, b=2)`.
        bare: the result `[[1, 3]]` means `[1, 3]`, as in APPS.
        numbered: the key "1" means 1.
    """
    read: Examples = []
    for example in examples:
        arguments, result = example
        if in_json:
            # `["[1, 2]"]` has a result in JSON within a list.
            is_single = isinstance(result, list) and len(result) == 1
            result = [_json_in_text(result[0])] if is_single else _json_in_text(result)
        if by_name:
            if len(arguments) != 1 or not isinstance(arguments[0], dict) or not all(map(is_name, arguments[0])):
                return None
            arguments = arguments[0]
        if bare:
            if not isinstance(result, list) or len(result) != 1:
                return None
            result = result[0]
        read.append((_number_keys(arguments), _number_keys(result)) if numbered else (arguments, result))
    return read


def _json_in_text(value: Any) -> Any:
    """Return the value of a text that is JSON; a text that is not, and any other value, is returned as it is."""
    with suppress(ValueError):
        return parse_json(value) if isinstance(value, str) else value
    return value


def _test(call: str, arguments: Any, result: Any) -> IoTest:
    if isinstance(arguments, Mapping):
        sources = [f"{name}={as_source(value)}" for name, value in arguments.items()]
    else:
        sources = list(map(as_source, arguments))
    # The official graders compare by `==`: 2.0 is 2, and True is 1.
    expected = as_source(result)
    return IoTest(call=f"{call}({', '.join(sources)})", expected=expected, atol=0.0, tuples_as_lists=True)


def _number_keys(value: Any) -> Any:
    """Return a value with integers as keys in each mapping whose keys are all numbers, and different ones."""
    if isinstance(value, list):
        return list(map(_number_keys, value))
    if not isinstance(value, dict):
        return value
    read = {key: _number_keys(inner) for key, inner in value.items()}
    if not all(re.fullmatch("-?[0-9]+", key) for key in read):
        return read
    numbered = {int(key): inner for key, inner in read.items()}
    # `1` and `01` would become one key.
    return numbered if len(numbered) == len(read) else read


def as_source(value: Any) -> str:
    """Return a JSON value as Python source.

    >>> as_source([1, "a", None, float("inf")])
    "[1, 'a', None, 1e999]"

    Raises:
        ValueError: the value is NaN, which has no literal in Python.
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_source(key)}: {as_source(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_source, value)) + "]"
    if isinstance(value, float) and math.isnan(value):
        raise ValueError("a result or argument is NaN, which equals no value, itself included")
    if isinstance(value, float):
        return repr(value).replace("inf", "1e999")
    # Python limits the digits of decimal literals, but not of hexadecimal literals.
    return hex(value) if isinstance(value, int) and abs(value) >= _LONG else repr(value)
