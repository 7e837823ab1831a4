"""Marked against true regions, counted by hand."""

from pathlib import Path

import pytest

from iterpref_core.errors import InputError
from iterpref_core.localization.span_agreement import compare_spans
from iterpref_core.records import FocalSpans, PreferencePair, Span
from iterpref_core.storage.jsonl import write_jsonl

TEXT = "aa\nb b\n\ncccc\n"  # lines at 0, 3, 7 and 8


def spans(task_id: str, *rejected: Span) -> FocalSpans:
    return FocalSpans(task_id=task_id, method="m", rejected=rejected, chosen=())


def compare(folder: Path, found: list[FocalSpans], true: list[FocalSpans]) -> dict[str, float]:
    pairs = [PreferencePair(task_id=name, prompt="p", chosen="x", rejected=TEXT) for name in ("one", "two", "other")]
    write_jsonl(folder / "pairs", pairs)
    write_jsonl(folder / "spans", found)
    write_jsonl(folder / "truth", true)
    return compare_spans(folder / "pairs", folder / "spans", folder / "truth")


def test_precision_and_recall_are_counted_over_all_pairs(tmp_path: Path) -> None:
    found = [spans("one", (0, 6)), spans("other", (0, 2))]
    true = [spans("one", (3, 6)), spans("two", (8, 12))]
    assert compare(tmp_path, found, true) == {
        "pairs": 2,
        "missing": 1,
        "lines/precision": 1 / 2,
        "lines/recall": 1 / 2,
        "lines/exact": 0,
        "characters/precision": 2 / 4,
        "characters/recall": 2 / 6,
    }


def test_the_same_regions_agree_whatever_blanks_they_take_in(tmp_path: Path) -> None:
    result = compare(tmp_path, [spans("one", (3, 8))], [spans("one", (3, 6))])
    assert (result["lines/exact"], result["characters/precision"], result["characters/recall"]) == (1, 1, 1)


def test_spans_of_other_pairs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="truth: has the region of no pair"):
        compare(tmp_path, [spans("one", (0, 2))], [spans("three", (0, 2))])
    true = [spans("one", (0, 2))]
    for wrong in ((0, 99), (-1, 2), (3, 2)):
        with pytest.raises(InputError, match="spans: field 'rejected' of 'one': a span lies outside of the program"):
            compare(tmp_path, [spans("one", wrong)], true)
    with pytest.raises(InputError, match=r"spans: 'three' is not a pair of .*pairs"):
        compare(tmp_path, [spans("one", (0, 2)), spans("three", (0, 2))], true)
