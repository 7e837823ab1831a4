"""Stage `localization`: files in, files out, what becomes of an insertion, and how a region is widened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.pairs.localization.localization import ON_TEXT, localize_pairs
from iterpref_core.records import LocalizationParams, PreferencePair, RecordError
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tests.settings import section
from tests.texts import marked


def localize(folder, pairs, method="line_lcs", empty="keep", widen=0):
    """Return metrics and pairs."""
    write_jsonl(folder / "pairs.jsonl", pairs)
    params = section(LocalizationParams, method=method, empty=empty, widen_lines=widen)
    metrics = localize_pairs(folder / "pairs.jsonl", params, folder / "focal.jsonl").metrics()
    return metrics, list(read_jsonl(folder / "focal.jsonl", PreferencePair))


PAIRS = [
    PreferencePair(task_id="replaced", prompt="p", rejected="a\nb\nc\nd\n", chosen="a\nB\nc\nd\n"),
    PreferencePair(task_id="inserted", prompt="p", rejected="a\nc\n", chosen="a\nb\nc\n"),
    PreferencePair(task_id="same", prompt="p", rejected="a\n", chosen="a"),
]


@pytest.mark.parametrize(
    ("empty", "rejected", "counts"),
    [
        ("anchor", {"replaced": ((2, 3),), "inserted": ((2, 3),)}, {"anchored": 1, "dropped/equal": 1}),
        ("drop", {"replaced": ((2, 3),)}, {"dropped/empty": 1, "dropped/equal": 1}),
        ("keep", {"replaced": ((2, 3),), "inserted": (), "same": ()}, {}),
    ],
)
def test_an_insertion_is_anchored_dropped_or_kept_without_a_region(tmp_path, empty, rejected, counts):
    metrics, pairs = localize(tmp_path, PAIRS, empty=empty)
    assert {pair.task_id: pair.rejected_spans for pair in pairs} == rejected
    assert {pair.chosen_spans for pair in pairs} <= {((2, 3),), ()}
    share = {"anchor": 2 / 6, "drop": 1 / 4, "keep": 1 / 7}[empty]
    none = {"given": 0, "anchored": 0, "dropped/empty": 0, "dropped/equal": 0}
    assert metrics == none | {"pairs": len(rejected), "empty": 2, "focal_line_share": share} | counts


def test_anybodys_pairs_will_do_and_a_broken_line_overwrites_nothing(tmp_path):
    pairs, out = tmp_path / "pairs.jsonl", tmp_path / "focal.jsonl"
    params = section(LocalizationParams, method="line_lcs", empty="keep", widen_lines=0)
    pairs.write_text('{"prompt": "p", "chosen": "x\\n", "rejected": "y\\n", "score": 1}\n')
    localize_pairs(pairs, params, out)
    before = out.read_text()
    assert "pair-1" in before
    with pairs.open("a") as file:
        file.write('{"task_id": "t", "prompt": "p", "rejected": "c"}\n')
    with pytest.raises(RecordError, match=r"pairs\.jsonl:2: field 'chosen'"):
        localize_pairs(pairs, params, out)
    assert out.read_text() == before


TEXT = "".join(f"x{n} = {n}\n" for n in range(10))


def test_the_same_pair_is_widened_alike_every_time(tmp_path):
    pairs = [
        PreferencePair(task_id=f"p{n}", prompt="?", chosen=TEXT.replace("= 5", "= 55"), rejected=TEXT) for n in range(9)
    ]
    metrics, every = localize(tmp_path, pairs, widen=2)
    assert every[8:] == localize(tmp_path, pairs[8:], widen=2)[1], "what else is in the file does not matter"
    assert len({pair.rejected_spans for pair in every}) > 1, "each pair draws its own"
    assert 0.3 <= metrics["focal_line_share"] <= 0.5
    assert all("x5" in text for pair in every for text in marked(TEXT, pair.rejected_spans))


LINES = st.lists(st.sampled_from(["x = a - b - c", "x = a + b + c", "", "y = 1", "\x0c", "    z"]), max_size=5)


@given(rejected=LINES.map("\n".join), chosen=LINES.map("\n".join), method=st.sampled_from(sorted(ON_TEXT)))
def test_lines_with_several_spans_count_once(tmp_path_factory, rejected, chosen, method):
    folder = tmp_path_factory.mktemp("share")
    pair = PreferencePair(task_id="a", prompt="p", chosen=chosen, rejected=rejected)
    assert 0 <= localize(folder, [pair], method=method)[0]["focal_line_share"] <= 1
