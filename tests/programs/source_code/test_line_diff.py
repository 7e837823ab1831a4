"""The line LCS against brute force, and lines as Python's reader sees them."""

import time
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.programs.source_code.line_diff import count_lines, match_lines

few_lines = st.lists(st.sampled_from("abcd"), max_size=7)


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
def test_ties_are_broken_as_documented(a, b):
    # Different first and last lines switch prefix and suffix matching off.
    a, b = ["<", *a, ">"], ["(", *b, ")"]
    assert match_lines(a, b) == min(all_longest(a, b), key=lambda matches: matches[::-1])


def test_lines_of_many_spans_are_counted_in_linear_time():
    started = time.process_time()
    assert count_lines("ab\n" * 20_000, [(3 * line + 1, 3 * line + 5) for line in range(0, 19_999, 2)]) == 20_000
    assert time.process_time() - started < 10
