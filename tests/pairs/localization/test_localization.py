"""Stage `localization`: files in, files out, and what becomes of an insertion."""

from pathlib import Path
from typing import Literal

import pytest

from iterpref_core.pairs.localization.localization import localize_pairs
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.records.config import LocalizationParams
from iterpref_core.records.errors import RecordError
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tests.settings import section

REPLACED = PreferencePair(task_id="replaced", prompt="p", rejected="a\nb\nc\nd\n", chosen="a\nB\nc\nd\n")
INSERTED = PreferencePair(task_id="inserted", prompt="p", rejected="a\nc\n", chosen="a\nb\nc\n")
SAME = PreferencePair(task_id="same", prompt="p", rejected="a\n", chosen="a")


def localize(folder: Path, empty: Literal["anchor", "drop", "keep"]) -> tuple[dict[str, float], dict[str, FocalSpans]]:
    write_jsonl(folder / "pairs.jsonl", [REPLACED, INSERTED, SAME])
    out = folder / "focal.jsonl"
    metrics = localize_pairs(
        folder / "pairs.jsonl",
        section(LocalizationParams, method="line_lcs", empty=empty, widen_lines=0),
        out,
    )
    return metrics, {spans.task_id: spans for spans in read_jsonl(out, FocalSpans)}


def test_an_insertion_is_anchored(tmp_path: Path) -> None:
    metrics, spans = localize(tmp_path, "anchor")
    assert spans == {
        "replaced": FocalSpans(task_id="replaced", method="line_lcs", rejected=((2, 3),), chosen=((2, 3),)),
        "inserted": FocalSpans(task_id="inserted", method="line_lcs", rejected=((2, 3),), chosen=((2, 3),)),
    }
    assert metrics == {
        "pairs": 2,
        "empty": 2,
        "anchored": 1,
        "dropped/empty": 0,
        "dropped/no_anchor": 1,
        "focal_line_share": 2 / 6,
    }


def test_an_insertion_is_dropped(tmp_path: Path) -> None:
    metrics, spans = localize(tmp_path, "drop")
    assert list(spans) == ["replaced"]
    assert (metrics["pairs"], metrics["empty"], metrics["dropped/empty"]) == (1, 2, 2)
    assert metrics["focal_line_share"] == 1 / 4


def test_an_insertion_is_kept_without_spans(tmp_path: Path) -> None:
    metrics, spans = localize(tmp_path, "keep")
    assert list(spans) == ["replaced", "inserted", "same"]
    assert spans["inserted"].rejected == spans["same"].rejected == ()
    assert spans["inserted"].chosen == ((2, 3),)
    assert (metrics["pairs"], metrics["empty"], metrics["anchored"]) == (3, 2, 0)


def test_anybodys_pairs_will_do(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "p", "chosen": "x\\n", "rejected": "y\\n", "score": 1}\n')
    localize_pairs(
        tmp_path / "pairs.jsonl",
        section(LocalizationParams, method="line_lcs", empty="keep", widen_lines=0),
        tmp_path / "focal.jsonl",
    )
    (spans,) = read_jsonl(tmp_path / "focal.jsonl", FocalSpans)
    assert spans.task_id == "pair-1"


def test_a_broken_line_overwrites_nothing(tmp_path: Path) -> None:
    localize(tmp_path, "keep")
    before = (tmp_path / "focal.jsonl").read_bytes()
    with (tmp_path / "pairs.jsonl").open("a") as file:
        file.write('{"task_id": "t", "prompt": "p", "chosen": "c"}\n')
    with pytest.raises(RecordError, match=r"pairs\.jsonl:4: field 'rejected': Field required"):
        localize_pairs(
            tmp_path / "pairs.jsonl",
            section(LocalizationParams, method="line_lcs", empty="keep", widen_lines=0),
            tmp_path / "focal.jsonl",
        )
    assert (tmp_path / "focal.jsonl").read_bytes() == before
