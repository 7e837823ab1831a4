"""Error regions as character spans."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.programs.source_code.line_diff import diff_lines, line_spans, locate_error
from tests.texts import marked

programs = st.lists(st.sampled_from(["a", "    b", "\tc  ", "", "  ", "é = '日'"]), max_size=8).flatmap(
    lambda lines: st.sampled_from(["\n", "\r\n"]).flatmap(
        lambda end: st.sampled_from([end.join(lines), "".join(line + end for line in lines)])
    )
)


@given(programs, programs)
def test_spans_cover_exactly_the_visible_characters_of_the_lines(rejected, chosen):
    spans = locate_error(rejected, chosen).rejected
    inside = {offset for start, end in spans for offset in range(start, end)}
    bounds = line_spans(rejected)
    focal = set(diff_lines(rejected, chosen).rejected)
    for number, (start, end) in enumerate(bounds):
        visible = {offset for offset in range(start, end) if not rejected[offset].isspace()}
        assert visible <= inside if number in focal else inside.isdisjoint(range(start, end))
    assert all(start < end for start, end in spans)
    assert all(first[1] < second[0] for first, second in pairwise(spans))
    assert not any(rejected[start:end][-1].isspace() for start, end in spans)


@pytest.mark.parametrize(
    ("rejected", "chosen", "anchors"),
    [
        ("a\nc\n", "a\nb\nc\n", ["c"]),
        ("a\n\n    c\n", "a\nb\n\n    c\n", ["    c"]),
        ("a\n\nc\n", "a\n\nb\nc\n", ["c"]),
        ("a\nb\n\n", "a\nb\n\nc\n", ["b"]),
        ("b\nd\nf", "a\nb\nc\nc\nd\ne\nf", ["b\nd\nf"]),
        ("b\nx\nd\n", "a\nb\nx\nc\nd\n", ["b", "d"]),
        ("a\n", "a\n\n", []),
        ("a\n", "a\r\n", []),
        ("", "a\n", []),
        ("\n", "\na\n", []),
    ],
)
def test_an_insertion_is_anchored_on_the_line_that_stands_in_its_place(rejected, chosen, anchors):
    assert locate_error(rejected, chosen).rejected == ()
    assert marked(rejected, locate_error(rejected, chosen).anchors) == anchors
