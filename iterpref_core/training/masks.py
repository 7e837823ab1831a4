"""From character spans to token masks."""

from collections.abc import Sequence

from iterpref_core.records import Span


def mask_from_spans(offsets: Sequence[Span], spans: Sequence[Span]) -> list[int]:
    """Mark the tokens that share at least one character with a span.

    A token that straddles the edge of a span is marked: the model chose the wrong character by choosing that token.

    Args:
        offsets: for each token its [start, end) in the text, as `return_offsets_mapping` gives them.
        spans: [start, end) character ranges, in order and apart from each other.

    Returns:
        1 for marked tokens, else 0; as long as `offsets`.

    >>> mask_from_spans([(0, 3), (3, 5), (5, 9)], [(4, 6)])
    [0, 1, 1]
    """
    return [int(any(max(start, first) < min(end, last) for first, last in spans)) for start, end in offsets]
