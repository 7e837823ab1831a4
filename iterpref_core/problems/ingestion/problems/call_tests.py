r"""Call tests of published sets: arguments and results as JSON, which cannot say all that Python has.

JSON has no tuples, so a tuple is right where a list is expected. Four more things can be read in two ways:

- A mapping's keys are texts in JSON: `{"1": 2}` may mean `{1: 2}`.
- APPS and its descendants put a function's result into a list in some problems, and not in others: `[[1, 3]]` is
  either the result `[[1, 3]]` or the result `[1, 3]`.

- A result that is a text stays a text: `"101"` is a text of digits. Some sets put a result's JSON into a text instead.
- A result `null` may mean None, or that the result is not known.

Each combination is a reading of the problem. The reading that a right program passes is the one that is meant. Without
a right program the plainest reading alone counts, and a test whose result is null is none.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from iterpref_core.records import IoTest, Problem
from iterpref_core.records.input_files import parse_json

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

Example = tuple[Sequence[Any], Any]
"""The arguments of a call, and its published result."""


def read_arguments(value: Any) -> list[Any]:
    r"""Return the arguments of a call: a list of them, or a text with a JSON value a line, as on LiveCodeBench.

    >>> read_arguments([[1, 2], 3]), read_arguments("[1, 2]\n3")
    ([[1, 2], 3], [[1, 2], 3])

    Raises:
        ValueError: the text is not JSON.
    """
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return [parse_json(line) for line in value.split("\n") if line.strip()]
    return [value]


def json_in_text(value: Any) -> Any:
    """Return the value of a text that is JSON; a text that is not, and any other value, is returned as it is."""
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except ValueError:
        return value


def call_of(name: str, code: str) -> str:
    """Return the expression that tests call: the function, or a method of `class Solution` if the code has this class.

    Args:
        name: name of the function or method, or the whole expression.
        code: starter code or a right program.
    """
    return f"Solution().{name}" if "class Solution" in code and "." not in name else name


def call_readings(problem: Problem, published: Sequence[Example], *, json_results: bool) -> tuple[Problem, ...]:
    """Return the problem with call tests, once for each reading of them, the plainest first.

    Args:
        problem: has an entry point, and no tests yet.
        published: arguments and result of each test.
        json_results: True: each result is JSON in a text.
    """
    examples: list[Example] = [
        (read_arguments(given), json_in_text(result) if json_results else result) for given, result in published
    ]
    # For the example ([{"1": 2}], [3]) there are four readings: {"1": 2} → [3], {1: 2} → [3], {"1": 2} → 3, {1: 2} → 3.
    found: list[list[Example]] = []
    for results in (examples, _without_nulls(examples), _with_json(examples)):
        for read in _plain_readings(results):
            if read and read not in found:
                found.append(read)
    plainest, *others = found
    made = [_with_examples(problem, plainest)]
    for read in others:
        # The text "NaN" is no number that could be expected, so that it is not read as JSON.
        with suppress(ValueError):
            made.append(_with_examples(problem, read))
    return tuple(made)


def _without_nulls(examples: Sequence[Example]) -> list[Example]:
    return [(arguments, result) for arguments, result in examples if result is not None]


def _with_json(examples: Sequence[Example]) -> list[Example]:
    """Return the examples with the JSON that stands in the texts of their results, or in lists around these texts."""
    read: list[Example] = []
    for arguments, result in examples:
        if isinstance(result, list) and len(result) == 1:
            read.append((arguments, [json_in_text(result[0])]))
        else:
            read.append((arguments, json_in_text(result)))
    return read


def _plain_readings(examples: list[Example]) -> Iterator[list[Example]]:
    """Yield the readings of mappings with numbers as keys, and of lists around results."""
    yield examples
    numbered: list[Example] = []
    if any(_has_number_keys([*arguments, result]) for arguments, result in examples):
        for arguments, result in examples:
            numbered.append((_number_keys(list(arguments)), _number_keys(result)))
        yield numbered
    if examples and all(isinstance(result, list) and len(result) == 1 for _, result in examples):
        # Every result is a list of one thing: this list may be the result, or stand around the result.
        for reading in (examples, numbered):
            yield [(arguments, result[0]) for arguments, result in reading]


def _with_examples(problem: Problem, examples: Sequence[Example]) -> Problem:
    tests = []
    for arguments, result in examples:
        shown = ", ".join(as_source(argument) for argument in arguments)
        call = f"{problem.entry_point}({shown})"
        # Sets in JSON have a list in the place of a tuple.
        tests.append(IoTest(call=call, expected=as_source(result), tuples_as_lists=True))
    return problem.model_copy(update={"tests": tuple(tests)})


def as_source(value: Any) -> str:
    """Return a JSON value as Python source.

    >>> as_source([1, "a", None, float("inf")])
    "[1, 'a', None, 1e999]"

    Raises:
        ValueError: the value is no number, for which Python has no literal.
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_source(key)}: {as_source(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_source, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            raise ValueError("a result or argument is NaN, which equals no value, itself included")
        return "1e999" if value > 0 else "-1e999"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LONG:
        # Python limits the digits of decimal literals, and not those of hexadecimal ones.
        return hex(value)
    return repr(value)


def _has_number_keys(value: Any) -> bool:
    """Return True if a value, or one inside of it, is a mapping whose keys are all numbers."""
    if isinstance(value, dict):
        if value and _names_numbers(value):
            return True
        return any(map(_has_number_keys, value.values()))
    if isinstance(value, list):
        return any(map(_has_number_keys, value))
    return False


def _number_keys(value: Any) -> Any:
    """Return a value with integers as keys in each mapping whose keys are all numbers."""
    if isinstance(value, dict):
        all_numbers = _names_numbers(value)
        read = {}
        for key, inner in value.items():
            number_or_text = int(key) if all_numbers else key
            read[number_or_text] = _number_keys(inner)
        return read
    if isinstance(value, list):
        return [_number_keys(inner) for inner in value]
    return value


def _names_numbers(value: Mapping[str, Any]) -> bool:
    """Return True if all keys of a mapping are numbers, and different ones: `1` and `01` would become one key."""
    return all(map(_is_number, value)) and len(set(map(int, value))) == len(value)


def _is_number(key: str) -> bool:
    return key.removeprefix("-").isdecimal() and key.isascii()
