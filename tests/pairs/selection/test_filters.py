"""Each filter at its edge, and the order they are applied in."""

import pytest

from iterpref_core.pairs.selection.filters import ONLY_COMMENTS, drop_reason
from iterpref_core.records import PairsParams, PreferencePair
from tests.settings import section


def reason(rejected, chosen, *, max_error_lines=2, max_tokens=100):
    params = section(PairsParams, max_error_lines=max_error_lines, max_tokens=max_tokens)
    pair = PreferencePair(task_id="t", prompt="p", chosen=chosen, rejected=rejected)
    return drop_reason(pair, params, count_tokens=lambda text: len(text.split()))


@pytest.mark.parametrize(
    ("rejected", "chosen", "expected"),
    [
        ("x = 1\n# wrong\n", "x = 1\n# right\n", "comments_only"),
        ("# a\n\nx = 1\n    # b\n", "x = 1\n", "comments_only"),
        ("def f(:\n  # half a program\n 'open", "def f(:\n 'open", "comments_only"),
        ("x = 1\r\n# a\r\n", "x = 1\n", "comments_only"),
        ("x = 1  # wrong\n", "x = 1\n", "cosmetic"),
        ("x = 1\n", "# note\nx = 1\n", "cosmetic"),
        ("x = (1)\n", "x = 1\n", "cosmetic"),
        ("a\nb\nc\n", "d\n", "long_error_region"),
        ("a\nb\n", "d\n", None),
        ("x = 1\n", "x = 2\n", None),
        ("f()\n", "x()\nf()\n", None),
        ("x = 1\n\n", "x = 1\ny = 2\n", None),
    ],
)
def test_reasons(rejected, chosen, expected):
    assert reason(rejected, chosen) == expected


def test_many_marks_in_one_line_take_no_time():
    assert not ONLY_COMMENTS.fullmatch("# " * 10_000 + "\nx")
