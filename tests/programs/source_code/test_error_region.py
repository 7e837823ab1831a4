"""Error regions as character spans."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.programs.source_code.line_diff import diff_lines, line_spans, locate_error, split_lines
from tests.texts import marked

programs = st.lists(st.sampled_from(["a", "    b", "\tc  ", "", "  ", "é = '日'"]), max_size=8).flatmap(
    lambda lines: st.sampled_from(["\n", "\r\n"]).flatmap(
        lambda end: st.sampled_from([end.join(lines), "".join(line + end for line in lines)])
    )
)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_adjacent_lines_are_one_span_and_others_are_not(end):
    rejected = end.join(["def f(x):", "    y = 1", "    z = 2", "    k = 3", "    return z"]) + end
    chosen = end.join(["def f(x):", "    y = x", "    z = x", "    k = 3", "    return y"]) + end
    region = locate_error(rejected, chosen)
    assert marked(rejected, region.rejected) == [f"    y = 1{end}    z = 2", "    return z"]
    assert marked(chosen, region.chosen) == [f"    y = x{end}    z = x", "    return y"]


def test_indentation_alone_is_inside_and_trailing_blanks_outside():
    assert marked("if x:\n\ty  \nz\n", locate_error("if x:\n\ty  \nz\n", "if x:\n    y\nz\n").rejected) == ["\ty"]


def test_non_ascii_text_counts_in_characters():
    rejected = "s = '日本'\nt = 'é'\n"
    assert marked(rejected, locate_error(rejected, "s = '日本'\nt = 'e'\n").rejected) == ["t = 'é'"]


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


@given(programs, st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["new", "    new"])), min_size=1, max_size=3))
def test_every_insertion_into_text_finds_an_anchor(rejected, insertions):
    lines = split_lines(rejected)
    for place, line in insertions:
        lines.insert(place, line)
    spans = locate_error(rejected, "\n".join(lines)).anchors
    assert bool(spans) == bool(rejected.strip())
