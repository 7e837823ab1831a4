"""Token masks from character spans."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from operator import le

from iterpref_core.records import Span


def shared_prefix(first: Sequence[object], second: Sequence[object]) -> int:
    """How many items two sequences begin with in common.

    >>> shared_prefix([1, 2, 3], [1, 2, 4, 3])
    2
    """
    places = enumerate(zip(first, second, strict=False))
    return next((place for place, (one, other) in places if one != other), min(len(first), len(second)))


def marked_end(marks: Sequence[float]) -> int:
    """The place after the last mark that is not 0; 0 if there is none.

    >>> marked_end([0, 1, 0, 1, 0])
    4
    """
    return next((place for place in range(len(marks), 0, -1) if marks[place - 1]), 0)


def mask_from_spans(offsets: Sequence[Span], spans: Sequence[Span]) -> list[int]:
    """Mark the tokens that share at least one character with a span.

    A token that straddles the edge of a span is marked: the model chose the wrong character by choosing that token.
    Takes time in proportion to tokens + spans (and the logarithm of the latter).

    Args:
        offsets: for each token its [start, end) in the text.
        spans: [start, end) character ranges, in any order; they may overlap or be empty.

    Returns:
        1 for marked tokens, else 0; as long as `offsets`.

    >>> mask_from_spans([(0, 3), (3, 5), (5, 9)], [(4, 6)])
    [0, 1, 1]
    """
    ordered = sorted((first, last) for first, last in spans if first < last)
    firsts = [first for first, _ in ordered]
    reach = [0, *accumulate((last for _, last in ordered), max)]  # how far the first n spans go
    low, high = min(firsts, default=0), reach[-1]
    ordered_tokens = all(map(le, offsets, offsets[1:]))  # as nearly always: then those behind all spans need no look
    last = bisect_left(offsets, (high, 0)) if ordered_tokens else len(offsets)
    marks = [
        int(start < high and low < end and start < end and reach[bisect_left(firsts, end)] > start)
        for start, end in offsets[:last]
    ]
    return marks + [0] * (len(offsets) - last)
