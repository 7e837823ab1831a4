"""Diff-Augmentation: what a widened region takes in."""

from random import Random

import pytest

from iterpref_core.pairs.localization.localization import widen_spans
from iterpref_core.programs.source_code.line_diff import split_lines
from iterpref_core.records import PreferencePair
from tests.pairs.localization.localizing import localize
from tests.texts import marked

TEXT = "".join(f"x{n} = {n}\n" for n in range(10))


def _lines(spans):
    return [int(line[1 : line.index(" ")]) for start, end in spans for line in split_lines(TEXT[start:end])]


@pytest.mark.parametrize("seed", range(20))
def test_one_or_two_lines_join_on_either_side(seed):
    start = TEXT.index("x5")
    lines = _lines(widen_spans(TEXT, ((start, start + 6),), 2, Random(seed)))
    assert lines == list(range(lines[0], lines[-1] + 1))
    assert lines[0] in (3, 4)
    assert lines[-1] in (6, 7)


def test_the_same_pair_is_widened_alike_every_time(tmp_path):
    pairs = [
        PreferencePair(task_id=f"p{n}", prompt="?", chosen=TEXT.replace("= 5", "= 55"), rejected=TEXT) for n in range(9)
    ]
    metrics, every = localize(tmp_path, pairs, widen=2)
    assert every[8:] == localize(tmp_path, pairs[8:], widen=2)[1], "what else is in the file does not matter"
    assert len({spans.rejected for spans in every}) > 1, "each pair draws its own"
    assert 0.3 <= metrics["focal_line_share"] <= 0.5
    assert all("x5" in text for spans in every for text in marked(TEXT, spans.rejected))
