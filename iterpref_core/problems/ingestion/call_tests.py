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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from iterpref_core.programs.source_code.names import is_name
from iterpref_core.records import IoTest
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

Example = tuple[Sequence[Any] | Mapping[str, Any], Any]
"""The arguments of a call, in order or by name, and its published result."""


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


def json_in_text(value: Any) -> Any:
    """Return the value of a text that is JSON; a text that is not, and any other value, is returned as it is."""
    with suppress(ValueError):
        return parse_json(value) if isinstance(value, str) else value
    return value


def call_readings(call: str, examples: Sequence[Example], *, in_texts: bool = False) -> Iterator[tuple[IoTest, ...]]:
    """Yield the tests of calls, once for each reading of them, the plainest first. Each is made when it is asked for.

    Args:
        call: the expression that is called.
        examples: arguments and result of each test.
        in_texts: the arguments were JSON in texts, so that a result in a text is JSON first.

    Raises:
        ValueError: the plainest reading cannot be written in Python.
    """
    # Two ways of reading often give the same tests, which run once.
    made: list[Sequence[Example]] = []
    for results in _result_readings(examples, in_texts=in_texts):
        for reading in chain(_json_readings(results), *map(_json_readings, _by_name(results))):
            if reading in made:
                continue
            made.append(reading)
            try:
                tests = _tests(call, reading)
            except ValueError:
                # The text "NaN" is not read as JSON, since NaN cannot be expected.
                if len(made) > 1:
                    continue
                raise
            yield tests


def is_ambiguous(examples: Sequence[Example]) -> bool:
    """Return True if official graders read the examples in several ways: APPS's takes `[1]` for 1, and "1" as a key."""
    return any(reading != examples for reading in _json_readings(examples))


def _by_name(examples: Sequence[Example]) -> list[Sequence[Example]]:
    """Return the reading by name of examples whose arguments are one object each; none for others."""
    named: list[Example] = []
    for arguments, result in examples:
        # `[{"a": 1, "b": 2}]` gives the reading `f(a=1, b=2)`.
        only = arguments[0] if isinstance(arguments, Sequence) and len(arguments) == 1 else None
        if not isinstance(only, dict) or not all(map(is_name, only)):
            return []
        named.append((only, result))
    return [named]


def _result_readings(examples: Sequence[Example], *, in_texts: bool) -> Iterator[Sequence[Example]]:
    """Yield the examples: as they are, and with results as JSON in texts; that comes first if the arguments were."""
    # JSON in texts: the grader of LiveCodeBench reads the result as JSON first.
    if in_texts:
        yield _json_results(examples)
    yield examples
    if not in_texts:
        yield _json_results(examples)


def _json_results(examples: Sequence[Example]) -> Sequence[Example]:
    return [(arguments, _json_inside(result)) for arguments, result in examples]


def _json_readings(examples: Sequence[Example]) -> Iterator[Sequence[Example]]:
    """Yield the readings of examples as they are: with numbers as keys, and with results taken out of their lists.

    For the example ([{"1": 2}], [3]) there are four: {"1": 2} → [3], {1: 2} → [3], {"1": 2} → 3, {1: 2} → 3.
    """
    numbered = [(_number_keys(arguments), _number_keys(result)) for arguments, result in examples]
    yield examples
    yield numbered
    # APPS: `[[1, 3]]` may mean the result `[1, 3]`.
    if all(isinstance(result, list) and len(result) == 1 for _, result in examples):
        for reading in (examples, numbered):
            yield [(arguments, result[0]) for arguments, result in reading]


def _tests(call: str, examples: Sequence[Example]) -> tuple[IoTest, ...]:
    tests = []
    for arguments, result in examples:
        if isinstance(arguments, Mapping):
            given = ", ".join(f"{name}={as_source(value)}" for name, value in arguments.items())
        else:
            given = ", ".join(map(as_source, arguments))
        # The official graders compare by `==`: 2.0 is 2, and True is 1.
        tests.append(IoTest(call=f"{call}({given})", expected=as_source(result), atol=0.0, tuples_as_lists=True))
    return tuple(tests)


def _json_inside(result: Any) -> Any:
    """Return the JSON in a text, or in the only text of a list."""
    # `["[1, 2]"]` has a result in JSON within a list.
    is_single = isinstance(result, list) and len(result) == 1
    return [json_in_text(result[0])] if is_single else json_in_text(result)


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
