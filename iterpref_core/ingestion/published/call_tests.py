r"""Call tests of published sets: arguments and results as JSON, which cannot say all that Python has.

JSON has no tuples, so a tuple is right where a list is expected. Two more things can be read in two ways:

- A mapping's keys are texts in JSON: `{"1": 2}` may mean `{1: 2}`.
- APPS and its descendants put a function's result into a list in some problems, and not in others: `[[1, 3]]` is
  either the result `[[1, 3]]` or the result `[1, 3]`.

Each combination is a reading of the problem. The reading that a right program passes is the one that is meant.
"""

import json
from collections.abc import Sequence
from typing import Any

from iterpref_core.records import IoTest, Problem

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
        return [json.loads(line) for line in value.split("\n") if line.strip()]
    return [value]


def read_result(value: Any) -> Any:
    """Return the expected result of a call: a text is read as JSON; a text that is not JSON is the result itself."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def call_of(name: str, code: str, class_name: str = "") -> str:
    """Return the expression that tests call: the function, or a method of `class Solution` if the code has this class.

    Args:
        name: name of the function or method.
        code: starter code or a right program.
        class_name: the class, if the set names one.
    """
    if class_name or "class Solution" in code:
        return f"{class_name or 'Solution'}().{name}"
    return name


def readings(problem: Problem, examples: Sequence[Example]) -> tuple[Problem, ...]:
    """Return the problem with call tests, once for each reading of them, the plainest first.

    Args:
        problem: has an entry point, and no tests yet.
        examples: arguments and result of each test.
    """
    # For the example ([{"1": 2}], [3]) there are four readings: {"1": 2} → [3], {1: 2} → [3], {"1": 2} → 3, {1: 2} → 3.
    found = [_with_examples(problem, examples)]
    numbered: list[Example] = []
    if any(_has_number_keys([*arguments, result]) for arguments, result in examples):
        for arguments, result in examples:
            example = (_number_keys(list(arguments)), _number_keys(result))
            numbered.append(example)
        found.append(_with_examples(problem, numbered))
    if all(isinstance(result, list) and len(result) == 1 for _, result in examples):
        # Every result is a list of one thing: this list may be the result, or stand around the result.
        for reading in (examples, numbered):
            if not reading:
                continue
            unwrapped = [(arguments, result[0]) for arguments, result in reading]
            found.append(_with_examples(problem, unwrapped))
    return tuple(found)


def _with_examples(problem: Problem, examples: Sequence[Example]) -> Problem:
    tests = []
    for arguments, result in examples:
        shown = ", ".join(repr(argument) for argument in arguments)
        call = f"{problem.entry_point}({shown})"
        # Sets in JSON have a list in the place of a tuple.
        tests.append(IoTest(call=call, expected=repr(result), tuples_as_lists=True))
    return problem.model_copy(update={"tests": tuple(tests)})


def _has_number_keys(value: Any) -> bool:
    """Return True if a value, or one inside of it, is a mapping whose keys are all numbers."""
    if isinstance(value, dict):
        if value and all(_is_number(key) for key in value):
            return True
        return any(map(_has_number_keys, value.values()))
    if isinstance(value, list):
        return any(map(_has_number_keys, value))
    return False


def _number_keys(value: Any) -> Any:
    """Return a value with integers as keys in each mapping whose keys are all numbers."""
    if isinstance(value, dict):
        all_numbers = all(_is_number(key) for key in value)
        read = {}
        for key, inner in value.items():
            number_or_text = int(key) if all_numbers else key
            read[number_or_text] = _number_keys(inner)
        return read
    if isinstance(value, list):
        return [_number_keys(inner) for inner in value]
    return value


def _is_number(key: str) -> bool:
    return key.removeprefix("-").isdecimal() and key.isascii()
