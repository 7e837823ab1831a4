"""The line LCS against brute force, and lines as Python's reader sees them."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.programs.source_code.line_diff import diff_lines, line_spans, match_lines, split_lines

few_lines = st.lists(st.sampled_from("abcd"), max_size=7)
texts = st.text(alphabet="ab \t#é日\x0c\u2028\r\n", max_size=30)


def all_longest(a, b):
    """Every longest common subsequence, by trying all choices of lines."""
    for size in range(min(len(a), len(b)), -1, -1):
        found = [
            list(zip(rows, columns, strict=True))
            for rows in combinations(range(len(a)), size)
            for columns in combinations(range(len(b)), size)
            if all(a[i] == b[j] for i, j in zip(rows, columns, strict=True))
        ]
        if found:
            return found
    raise AssertionError("the empty subsequence is always common")


@given(few_lines, few_lines)
def test_matches_are_a_longest_common_subsequence(a, b):
    assert match_lines(a, b) in all_longest(a, b)


@given(few_lines, few_lines)
def test_ties_are_broken_as_documented(a, b):
    # Different first and last lines switch prefix and suffix matching off.
    a, b = ["<", *a, ">"], ["(", *b, ")"]
    assert match_lines(a, b) == min(all_longest(a, b), key=lambda matches: matches[::-1])


def test_common_ends_are_matched_before_anything_else():
    assert match_lines(["x", "r", "y", "r"], ["z", "r"]) == [(3, 1)]
    assert match_lines(["r", "x", "r"], ["r"]) == [(0, 0)]


@given(texts)
def test_spans_are_exactly_the_lines(text):
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    expected = unified.split("\n")
    if expected[-1] == "":
        expected.pop()
    assert split_lines(text) == expected
    assert [text[start:end] for start, end in line_spans(text)] == expected


SAME = [("a\nb\n", "a\r\nb\r\n"), ("a\nb\n", "a\nb"), ("a\rb", "a\nb"), ("", "")]
DIFFERENT = [("\tx", "        x"), ("x", "x "), ("x = 'é'", "x = 'e\u0301'")]


@pytest.mark.parametrize(("rejected", "chosen"), SAME + DIFFERENT)
def test_line_ends_are_no_difference_and_any_other_character_is_one(rejected, chosen):
    diff = diff_lines(rejected, chosen)
    assert diff.rejected == diff.chosen == ([] if (rejected, chosen) in SAME else [0])
