"""Token masks from character spans."""

from collections.abc import Sequence

import numpy as np

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

    Args:
        offsets: for each token its [start, end) in the text.
        spans: [start, end) character ranges, in any order; they may overlap or be empty.

    Returns:
        1 for marked tokens, else 0; as long as `offsets`.

    >>> mask_from_spans([(0, 3), (3, 5), (5, 9)], [(4, 6)])
    [0, 1, 1]
    """
    starts, ends = np.array(offsets, dtype=np.int64).reshape(-1, 2).T
    marks = np.zeros(len(offsets), dtype=bool)
    for first, last in spans:
        marks |= (starts < last) & (first < ends) & (starts < ends) & (first < last)
    found: list[int] = marks.astype(int).tolist()
    return found
