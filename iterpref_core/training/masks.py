"""Token masks from character spans."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from operator import le, lt

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
    Takes time in proportion to tokens + spans (and their logarithms), where spans do not overlap.

    Args:
        offsets: for each token its [start, end) in the text.
        spans: [start, end) character ranges, in any order; they may overlap or be empty.

    Returns:
        1 for marked tokens, else 0; as long as `offsets`.

    >>> mask_from_spans([(0, 3), (3, 5), (5, 9)], [(4, 6)])
    [0, 1, 1]
    """
    ordered = sorted((first, last) for first, last in spans if first < last)
    if not ordered or not offsets:
        return [0] * len(offsets)
    starts, ends = zip(*offsets, strict=True)
    if all(map(le, starts, starts[1:])) and all(map(le, ends, ends[1:])) and all(map(lt, starts, ends)):
        return _mask_ordered(starts, ends, ordered)
    firsts = [first for first, _ in ordered]
    reach = [0, *accumulate((last for _, last in ordered), max)]  # how far the first n spans go
    return [int(start < end and reach[bisect_left(firsts, end)] > start) for start, end in offsets]


def _mask_ordered(starts: Sequence[int], ends: Sequence[int], spans: Sequence[Span]) -> list[int]:
    """The mask of tokens that are in order and have characters, as nearly always: a look per span, not per token."""
    marks = [0] * len(starts)
    for first, last in spans:
        begin, end = bisect_right(ends, first), bisect_left(starts, last)
        marks[begin:end] = [1] * (end - begin)
    return marks
