"""Data sets: what is exported, `datasets` and TRL read as it is, and it comes back as the same records."""

import pytest

from iterpref_core.evaluation.sharing.cards import pairs_card
from iterpref_core.evaluation.sharing.export_data_set import export_pairs
from iterpref_core.pairs.ingestion.preference_pairs import ingest_pairs
from iterpref_core.pairs.localization.localization import mark_errors
from iterpref_core.problems.ingestion.intake import Source
from iterpref_core.records import (
    FocalSpans,
    PreferencePair,
)
from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.records.prompt_messages import read_prompt
from iterpref_core.storage.jsonl import read_pairs, write_jsonl

PAIRS = [
    PreferencePair(
        task_id="a", prompt="Add one.", chosen="def f(x):\n    return x + 1\n", rejected="def f(x):\r\n  x\n"
    ),
    PreferencePair(task_id="a#2", prompt="Ünï 😀\n", chosen='s = """\n```python\nno\n```\n"""\n', rejected="s =\n"),
    PreferencePair(task_id="b", prompt="Three.", chosen="x = 3", rejected="x = 'é\u2028'"),
]
SPANS = [
    FocalSpans(task_id="a", method="line_lcs", rejected=((11, 14),), chosen=((10, 26),)),
    FocalSpans(task_id="b", method="token", rejected=((4, 8),), chosen=()),
]


@pytest.fixture
def load(tmp_path):
    def load(folder):
        return datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))

    import datasets

    datasets.disable_progress_bars()
    yield load
    datasets.enable_progress_bars()


def written(path, records):
    write_jsonl(path, records)
    return path


def describe(data):
    return pairs_card(data, "mine", None, localized=True, regions_known=False)


def test_pairs_go_to_trl_and_come_back_as_they_were(tmp_path, load):
    pairs, spans = written(tmp_path / "pairs.jsonl", PAIRS), written(tmp_path / "spans.jsonl", SPANS)
    out = tmp_path / "set"
    assert export_pairs(pairs, spans, None, out, describe) == {"out": str(out), "pairs": 3, "spans": 2}
    rows = load(out)
    assert list(rows) == ["train"]
    row = rows["train"][0]
    assert (row["rejected_spans"], row["chosen_spans"], row["spans_method"]) == ([[11, 14]], [[10, 26]], "line_lcs")
    assert [row["rejected_spans"] is None for row in rows["train"]] == [False, True, False]
    from trl import is_conversational
    from trl.data_utils import maybe_extract_prompt

    assert not is_conversational(row)
    assert mark_errors(row).keys() <= row.keys(), "FocalCollator reads the regions as they are"
    assert {name: maybe_extract_prompt(row)[name] for name in ("prompt", "chosen", "rejected")} == {
        name: getattr(PAIRS[0], name) for name in ("prompt", "chosen", "rejected")
    }
    again = tmp_path / "again.jsonl"
    assert ingest_pairs(Source([out / "data/train.parquet"]), again).counts == {"pairs": 3}
    assert list(read_pairs(again)) == PAIRS
    assert again.read_bytes() == pairs.read_bytes()


def test_exports_can_be_concatenated_whatever_their_pairs_state(tmp_path, load):
    stated = PAIRS[2].model_copy(update={"problem_id": "b", "license": "MIT", "tested": True})
    folders = []
    for number, (pair, region) in enumerate(((PAIRS[0], []), (stated, SPANS[1:]))):
        pairs = written(tmp_path / f"{number}.jsonl", [pair])
        spans = written(tmp_path / f"{number}-spans.jsonl", region)
        export_pairs(pairs, spans, None, tmp_path / f"set{number}", describe)
        folders.append(load(tmp_path / f"set{number}")["train"])
    import datasets

    both = datasets.concatenate_datasets(folders)
    assert folders[0].features == folders[1].features
    assert (both["license"], both["tested"]) == ([None, "MIT"], [None, True])
    assert both["rejected_spans"] == [None, [[4, 8]]]


def test_texts_that_look_like_something_else_come_back_as_they_were(tmp_path):
    odd = [
        PreferencePair(
            task_id="j", prompt='[{"role": "user", "content": "x"}]', chosen="x = 1\n", rejected="```\nx =\n```\ny"
        ),
        PreferencePair(task_id="h", prompt="\n\nHuman: Add.", chosen="x = 1\n", rejected="x = 2\n"),
        PreferencePair(task_id="n", prompt="None", chosen="x = 1\n", rejected="x = 2\n"),
    ]
    pairs = written(tmp_path / "pairs.jsonl", odd)
    export_pairs(pairs, None, None, tmp_path / "set", describe)
    again = tmp_path / "again.jsonl"
    ingest_pairs(Source([tmp_path / "set/data/train.parquet"]), again)
    assert again.read_bytes() == pairs.read_bytes()


def test_prompts_of_messages_are_trl_s_conversations_and_come_back(tmp_path, load):
    turns = read_prompt(
        [{"role": "user", "content": "Add."}, {"role": "assistant", "content": "?"}, {"role": "user", "content": "1."}]
    )
    records = [PAIRS[0], PAIRS[2].model_copy(update={"prompt": turns})]
    pairs = written(tmp_path / "pairs.jsonl", records)
    spans = written(tmp_path / "spans.jsonl", SPANS)
    out = tmp_path / "set"
    export_pairs(pairs, spans, None, out, describe)
    rows = load(out)["train"]
    from trl import is_conversational

    assert is_conversational(rows[0])
    assert mark_errors(rows[0])["rejected_spans"] == [[11, 14]]
    again = tmp_path / "again.jsonl"
    ingest_pairs(Source([out / "data/train.parquet"]), again)
    assert again.read_bytes() == pairs.read_bytes()


def test_what_cannot_be_exported_leaves_nothing_behind(tmp_path):
    pairs, spans = written(tmp_path / "pairs.jsonl", PAIRS[1:]), written(tmp_path / "spans.jsonl", SPANS)
    with pytest.raises(RecordError, match=r"'a' is not in .*; localize these pairs again"):
        export_pairs(pairs, spans, None, tmp_path / "set", describe)
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.jsonl", "spans.jsonl"}
    (tmp_path / "set").mkdir()
    (tmp_path / "set/mine").touch()
    with pytest.raises(InputError, match="is not empty"):
        export_pairs(pairs, None, None, tmp_path / "set", describe)
