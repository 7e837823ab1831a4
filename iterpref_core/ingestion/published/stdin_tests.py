"""Stdin tests of published sets: the input of a script, and its expected output."""

import re
from collections.abc import Iterable
from typing import Any

from iterpref_core.ingestion.published.fields import as_text
from iterpref_core.records import StdinTest

TOLERANCE = 1e-5
"""The allowed difference of a decimal number from the expected one, absolute or relative. APPS's grader and the rule of
CodeContests have this value. All sets use it, since no right program can know how many decimals a set shows."""

_DECIMAL = re.compile(r"(?:^|\s)[-+]?(?:\d+\.\d*|\.\d+|\d+(?:\.\d+)?[eE][-+]?\d+)(?=\s|$)")


def stdin_tests(
    examples: Iterable[tuple[Any, Any]],
    *,
    ignore_case: bool = False,
    checker: str | None = None,
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
