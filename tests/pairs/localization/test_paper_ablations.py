"""Localization by prefix and suffix, and by tokens."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.pairs.localization.localization import ON_TEXT
from iterpref_core.records.config import LocalizationMethod
from tests.texts import marked

PROGRAM = st.lists(st.sampled_from(["a = 1", "b", "  c(x)", "", "    return a + b", "é = 'ß'"]), max_size=8).map(
    "\n".join
)


def test_every_method_has_a_row_and_a_word():
    words = set(get_args(LocalizationMethod))
    assert words == {*ON_TEXT}, "a method is a row of ON_TEXT and a word of config.LocalizationMethod"


def test_everything_between_the_first_and_the_last_difference():
    rejected, chosen = "a\nx\nb\ny\nc\n", "a\nX\nb\nY\nc\n"
    assert marked(rejected, ON_TEXT["prefix_suffix"](rejected, chosen).rejected) == ["x\nb\ny"]
    assert marked(chosen, ON_TEXT["prefix_suffix"](rejected, chosen).chosen) == ["X\nb\nY"]
    assert ON_TEXT["prefix_suffix"]("a\na\n", "a\n").rejected == ((2, 3),), "beginning and end do not overlap"


@pytest.mark.parametrize(
    ("rejected", "chosen", "expected"),
    [
        ("x = a - b\n", "x = a + b\n", ["-"]),
        ("total = a.b(c)\n", "total = a.d(c, e)\n", ["b"]),
        ("if x:\n    y()\n    z()\n", "if x:\n    y()\nz()\n", ["    "]),
        ("if x:\n    y()\nz()\n", "if x:\n    y()\n    z()\n", ["z"]),
        ("a = one\nb = two\n", "a = three\nb = two\n", ["one"]),
        ("return x\n", "return x\n\n", []),
    ],
)
def test_tokens_outside_the_common_sequence(rejected, chosen, expected):
    assert marked(rejected, ON_TEXT["token"](rejected, chosen).rejected) == expected


def test_a_missing_token_is_anchored_at_what_was_written_instead():
    assert marked("return x\n", ON_TEXT["token"]("return x\n", "return -x\n").anchors) == ["x"]
    assert marked("f(x)\n", ON_TEXT["token"]("f(x)\n", "f(x)\ng(x)\n").anchors) == [")"]
    assert ON_TEXT["token"]("\n", "x\n").anchors == ()


@pytest.mark.parametrize("locate", list(ON_TEXT.values()), ids=ON_TEXT)
@given(rejected=PROGRAM, chosen=PROGRAM)
def test_spans_are_in_order_apart_and_inside(locate, rejected, chosen):
    region = locate(rejected, chosen)
    for text, spans in ((rejected, region.rejected), (chosen, region.chosen)):
        edges = [edge for span in spans for edge in span]
        assert edges == sorted(set(edges))
        assert all(text[start:end].strip() or "\n" not in text[start:end] for start, end in spans)
        assert not edges or 0 <= edges[0] <= edges[-1] <= len(text)
    assert locate(rejected, rejected).rejected == ()
