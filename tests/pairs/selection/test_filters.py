"""Each filter at its edge, and the order they are applied in."""

import pytest

from iterpref_core.pairs.selection.filters import ONLY_COMMENTS, drop_reason
from iterpref_core.records import PreferencePair
from iterpref_core.records.config import PairsParams
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


@pytest.mark.parametrize(
    ("rejected", "chosen", "max_error_lines", "max_tokens", "expected"),
    [
        # Both programs are counted, and the bound is allowed.
        ("x = 1", "x = 2", 2, 3, None),
        ("x = 1", "x = 1 + 1", 2, 3, "too_long"),
        ("x = 1 + 1", "x = 1", 2, 3, "too_long"),
        # Of several reasons the first counts.
        ("# a\n# b\nx = 1\n", "x = 1\n", 1, 1, "comments_only"),
        ("a\nb\n", "c", 1, 1, "long_error_region"),
        ("x = (1)", "x = 1", 2, 1, "too_long"),
    ],
)
def test_bounds_and_the_order_of_reasons(rejected, chosen, max_error_lines, max_tokens, expected):
    assert reason(rejected, chosen, max_error_lines=max_error_lines, max_tokens=max_tokens) == expected


def test_a_number_sign_inside_of_a_text_begins_no_comment():
    code = 'x = """\n# {}\n"""\n'
    assert reason(code.format("Titel"), code.format("Title")) is None
    assert reason(f"{code}# a\n", f"{code}# b\n") == "comments_only"


def test_many_marks_in_one_line_take_no_time():
    assert not ONLY_COMMENTS.fullmatch("# " * 10_000 + "\nx")


@pytest.mark.parametrize(("text", "counted"), [("a" * 80, False), ("é", False), ("a" * 99, True), ("ﷺ" * 4, True)])
def test_only_a_program_that_may_be_too_long_is_counted(text, counted):
    asked = []
    pair = PreferencePair(task_id="t", prompt="p", chosen="x = 1", rejected=f"'{text}'")
    drop_reason(pair, section(PairsParams, max_tokens=100, max_error_lines=2), lambda code: asked.append(code) or 1)
    assert bool(asked) == counted
