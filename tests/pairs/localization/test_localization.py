"""Stage `localization`: files in, files out, and what becomes of an insertion."""

import pytest

from iterpref_core.pairs.localization.localization import localize_pairs
from iterpref_core.records import PreferencePair
from iterpref_core.records.config import LocalizationParams
from iterpref_core.records.errors import RecordError
from tests.pairs.localization.localizing import localize
from tests.settings import section

PAIRS = [
    PreferencePair(task_id="replaced", prompt="p", rejected="a\nb\nc\nd\n", chosen="a\nB\nc\nd\n"),
    PreferencePair(task_id="inserted", prompt="p", rejected="a\nc\n", chosen="a\nb\nc\n"),
    PreferencePair(task_id="same", prompt="p", rejected="a\n", chosen="a"),
]


@pytest.mark.parametrize(
    ("empty", "rejected", "counts"),
    [
        ("anchor", {"replaced": ((2, 3),), "inserted": ((2, 3),)}, {"anchored": 1, "dropped/no_anchor": 1}),
        ("drop", {"replaced": ((2, 3),)}, {"dropped/empty": 2}),
        ("keep", {"replaced": ((2, 3),), "inserted": (), "same": ()}, {}),
    ],
)
def test_an_insertion_is_anchored_dropped_or_kept_without_spans(tmp_path, empty, rejected, counts):
    metrics, spans = localize(tmp_path, PAIRS, empty=empty)
    assert {each.task_id: each.rejected for each in spans} == rejected
    assert {each.chosen for each in spans} <= {((2, 3),), ()}
    share = {"anchor": 2 / 6, "drop": 1 / 4, "keep": 1 / 7}[empty]
    none = {"anchored": 0, "dropped/empty": 0, "dropped/no_anchor": 0}
    assert metrics == none | {"pairs": len(rejected), "empty": 2, "focal_line_share": share} | counts


def test_anybodys_pairs_will_do_and_a_broken_line_overwrites_nothing(tmp_path):
    pairs, out = tmp_path / "pairs.jsonl", tmp_path / "focal.jsonl"
    params = section(LocalizationParams, method="line_lcs", empty="keep", widen_lines=0)
    pairs.write_text('{"prompt": "p", "chosen": "x\\n", "rejected": "y\\n", "score": 1}\n')
    localize_pairs(pairs, params, out)
    before = out.read_text()
    assert "pair-1" in before
    with pairs.open("a") as file:
        file.write('{"task_id": "t", "prompt": "p", "chosen": "c"}\n')
    with pytest.raises(RecordError, match=r"pairs\.jsonl:2: field 'rejected'"):
        localize_pairs(pairs, params, out)
    assert out.read_text() == before
