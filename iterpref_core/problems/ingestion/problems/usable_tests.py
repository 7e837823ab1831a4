"""Usable tests: published tests that say nothing, or that no program can pass, are left out and counted.

The rest are the input of a script and its expected output (`stdin_tests`), or arguments and result of a call.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from iterpref_core.problems.ingestion.problems.call_tests import as_source
from iterpref_core.problems.ingestion.values import as_text
from iterpref_core.records import StdinTest

Example = tuple[Any, Any]
"""The input and the output of a test."""
TOLERANCE = 1e-5
"""The allowed difference of a decimal number from the expected one, absolute or relative. APPS's grader and the rule of
CodeContests have this value. All sets use it, since no right program can know how many decimals a set shows."""
_DECIMAL = re.compile(r"(?:^|\s)[-+]?(?:\d+\.\d*|\.\d+|\d+(?:\.\d+)?[eE][-+]?\d+)(?=\s|$)")


def stdin_tests(
    examples: Iterable[Example], *, ignore_case: bool = False, checker: str | None = None
) -> tuple[StdinTest, ...]:
    r"""Return a test for each (input, output); both may be texts, or lists of lines.

    A test has a tolerance if its output has a decimal number.

    Args:
        examples: input and output of each test.
        ignore_case: True if the set's own rule ignores case.
        checker: source of a function that decides instead of a comparison.

    >>> [test.tolerance for test in stdin_tests([("1 2\n", "3\n"), ("1 3\n", "0.33\n")])]
    [None, 1e-05]
    """
    tests = []
    for given, printed in examples:
        output = as_text(printed)
        tolerance = TOLERANCE if _DECIMAL.search(output) and checker is None else None
        test = StdinTest(
            input=as_text(given),
            output=output,
            tolerance=tolerance,
            ignore_case=ignore_case,
            checker=checker,
        )
        tests.append(test)
    return tuple(tests)


def usable_tests(
    visible: Sequence[Example],
    hidden: Sequence[Example] = (),
    *,
    script: bool = True,
    keep_null: bool = False,
    checker: bool = False,
    ignore_case: bool = False,
) -> tuple[list[Example], list[Example], Counter[str]]:
    r"""Return the visible and the hidden tests that can be used, and the number of the others by reason.

    The reasons: `null`: the input or the output is null. `empty`: a script shall print nothing, so that one which does
    nothing passes. `contradictory`: another test expects something else of the same input; neither is used.

    Args:
        visible: input and output of each visible test.
        hidden: the same of the hidden tests.
        script: True if the tests are of a script, False if they call a function.
        keep_null: True: a null output stays, since a right program decides if it means None.
        checker: True: a program of the set judges the output, of which there may be several right ones.
        ignore_case: True: the set's own rule ignores case in what a script prints.

    >>> usable_tests([("5\n", "6\n"), ("1\n", "2\n")], [("5\n", "7\n"), ("3\n", None)])
    ([('1\n', '2\n')], [], Counter({'contradictory': 2, 'null': 1}))
    >>> usable_tests([("5\n", "6\n7\n"), ("5\n", "6 \n7")])[2]
    Counter()

    Raises:
        ValueError: an input or output has no literal in Python.
    """
    left_out: Counter[str] = Counter()
    outputs: defaultdict[str, set[str]] = defaultdict(set)
    kept: list[tuple[bool, str, Example]] = []
    for is_visible, examples in ((True, visible), (False, hidden)):
        for given, expected in examples:
            if _is_null(given, expected, keep_null=keep_null):
                left_out["null"] += 1
                continue
            printed = " ".join(as_text(expected).split()) if script else as_source(expected)
            if script and not checker and not printed:
                left_out["empty"] += 1
                continue
            printed = printed.lower() if ignore_case else printed
            key = as_text(given).rstrip() if script else as_source(given)
            outputs[key].add(printed)
            kept.append((is_visible, key, (given, expected)))
    usable: dict[bool, list[Example]] = {True: [], False: []}
    for is_visible, key, example in kept:
        if len(outputs[key]) > 1 and not checker:
            left_out["contradictory"] += 1
        else:
            usable[is_visible].append(example)
    return usable[True], usable[False], left_out


def _is_null(given: Any, expected: Any, *, keep_null: bool) -> bool:
    all_null = isinstance(expected, list) and bool(expected) and all(value is None for value in expected)
    return given is None or ((expected is None or all_null) and not keep_null)
