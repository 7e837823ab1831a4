"""Diff-Augmentation: what a widened region takes in."""

from pathlib import Path
from random import Random

import pytest

from iterpref_core.pairs.localization.localization import localize_pairs, widen_spans
from iterpref_core.programs.source_code.line_diff import split_lines
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.records.config import LocalizationParams
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tests.settings import section

TEXT = "".join(f"x{n} = {n}\n" for n in range(10))


def _lines(spans: tuple[tuple[int, int], ...]) -> list[int]:
    return [int(line[1 : line.index(" ")]) for start, end in spans for line in split_lines(TEXT[start:end])]


@pytest.mark.parametrize("seed", range(20))
def test_one_or_two_lines_join_on_either_side(seed: int) -> None:
    start = TEXT.index("x5")
    lines = _lines(widen_spans(TEXT, ((start, start + 6),), 2, Random(seed)))
    assert lines == list(range(lines[0], lines[-1] + 1))
    assert lines[0] in (3, 4)
    assert lines[-1] in (6, 7)


def test_the_same_pair_is_widened_alike_every_time(tmp_path: Path) -> None:
    pairs = [
        PreferencePair(task_id=f"p{n}", prompt="?", chosen=TEXT.replace("= 5", "= 55"), rejected=TEXT) for n in range(9)
    ]
    write_jsonl(tmp_path / "all.jsonl", pairs)
    write_jsonl(tmp_path / "last.jsonl", pairs[8:])
    params = section(LocalizationParams, method="line_lcs", empty="keep", widen_lines=2)
    metrics = localize_pairs(tmp_path / "all.jsonl", params, tmp_path / "all.out")
    localize_pairs(tmp_path / "last.jsonl", params, tmp_path / "last.out")
    every = list(read_jsonl(tmp_path / "all.out", FocalSpans))
    assert every[8:] == list(read_jsonl(tmp_path / "last.out", FocalSpans)), "what else is in the file does not matter"
    assert len({spans.rejected for spans in every}) > 1, "each pair draws its own"
    assert 0.3 <= metrics["focal_line_share"] <= 0.5
    assert all(
        TEXT[start:end] == "x5 = 5" or "x5" in TEXT[start:end] for spans in every for start, end in spans.rejected
    )
