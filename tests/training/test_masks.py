"""Characters to tokens: the "any overlap" rule."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.training.tokenized_programs import mask_from_spans


def test_a_token_that_only_touches_a_span_is_not_marked() -> None:
    assert mask_from_spans([(0, 2), (2, 4), (4, 6)], [(2, 4)]) == [0, 1, 0]
    assert mask_from_spans([(0, 2), (2, 4)], []) == [0, 0]
    assert mask_from_spans([(0, 0), (0, 4)], [(0, 4)]) == [0, 1], "a token without characters is in no span"


@given(
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=20, unique=True),
    spans=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=5),
)
def test_marked_tokens_are_those_with_a_marked_character(cuts: list[int], spans: list[tuple[int, int]]) -> None:
    edges = [0, *sorted(cuts)]
    offsets = list(pairwise(edges))
    ranges = [(start, start + length) for start, length in spans]
    characters = {index for start, end in ranges for index in range(start, end)}
    expected = [int(any(index in characters for index in range(start, end))) for start, end in offsets]
    assert mask_from_spans(offsets, ranges) == expected
    twice = [offset for offset in offsets for _ in range(2)]  # as bytes of one character are
    assert mask_from_spans(twice, ranges) == [mark for mark in expected for _ in range(2)]
    assert mask_from_spans(offsets[::-1], ranges) == expected[::-1]
    empty = [token for start, end in offsets for token in ((start, end), (end, end))]
    assert mask_from_spans(empty, ranges) == [mark for own in expected for mark in (own, 0)]
