"""Each filter at its edge, and the order they are applied in."""

import pytest

from iterpref_core.pairs.selection.filters import ONLY_COMMENTS, drop_reason
from iterpref_core.records import PairsParams, PreferencePair
from tests.settings import section
from tests.texts import read_table


def reason(rejected, chosen, *, max_error_lines=2, max_tokens=100):
    params = section(PairsParams, max_error_lines=max_error_lines, max_tokens=max_tokens)
    pair = PreferencePair(task_id="t", prompt="p", chosen=chosen, rejected=rejected)
    return drop_reason(pair, params, count_tokens=lambda text: len(text.split()))


REASONS = r"""
x = 1\n# wrong | x = 1\n# right | comments_only
# a\n\nx = 1\n    # b | x = 1 | comments_only
def f(:\n  # half a program\n 'open | def f(:\n 'open | comments_only
x = 1  # wrong | x = 1 | cosmetic
x = 1 | # note\nx = 1 | cosmetic
x = (1) | x = 1 | cosmetic
a\nb\nc | d | long_error_region
a\nb | d |
x = 1 | x = 2 |
f() | x()\nf() |
x = 1\n | x = 1\ny = 2 |
"""


@pytest.mark.parametrize(("rejected", "chosen", "expected"), read_table(REASONS))
def test_reasons(rejected, chosen, expected):
    assert (reason(f"{rejected}\n", f"{chosen}\n") or "") == expected


def test_ends_of_lines_are_no_difference():
    assert reason("x = 1\r\n# a\r\n", "x = 1\n") == "comments_only"


def test_many_marks_in_one_line_take_no_time():
    assert not ONLY_COMMENTS.fullmatch("# " * 10_000 + "\nx")
