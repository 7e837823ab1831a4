"""Data sets: what is exported, `datasets` and TRL read as it is, and it comes back as the same records."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from iterpref_core.evaluation.sharing.cards import pairs_card, problems_card
from iterpref_core.evaluation.sharing.export_data_set import DataSet, export_pairs, export_problems
from iterpref_core.pairs.ingestion.preference_pairs import ingest_pairs
from iterpref_core.problems.ingestion.ingest import ingest
from iterpref_core.problems.ingestion.intake import Source
from iterpref_core.problems.ingestion.problems.selection import Selection
from iterpref_core.records import (
    AssertTest,
    FocalSpans,
    IoTest,
    PreferencePair,
    Problem,
    PytestTest,
    ScriptTest,
    StdinTest,
    UnittestTest,
)
from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.records.prompt_messages import read_prompt
from iterpref_core.storage.jsonl import read_jsonl, read_pairs, write_jsonl
from iterpref_core.training.library.row_spans import mark_errors
from tests.settings import EXECUTION

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
PROBLEMS = [
    Problem(
        task_id="p/1",
        prompt="Add one.",
        entry_point="f",
        tests=(IoTest(call="f(1)", expected="2"), AssertTest(code="assert f(2) == 3")),
        hidden_tests=(IoTest(call="f(0.5)", expected="1.5", atol=1e-6),),
        reference="def f(x):\n    return x + 1\n",
        source="mbpp",
        features=("a > b",),
    ),
    Problem(
        task_id="p/2",
        prompt="Count.",
        entry_point="g",
        tests=(
            ScriptTest(
                module="m",
                files={"t.py": "from m import g\nassert g() == 1\n", "w.txt": "é"},
                run="t.py",
            ),
            IoTest(call="[g()]", expected="[1]", tuples_as_lists=True),
            UnittestTest(code="import unittest\nclass T(unittest.TestCase):\n    def test_it(self): g()\n"),
        ),
        reference="def g():\n    return 1\n",
        setup="import math\n",
        source="own_code:mine",
        split="heldout",
    ),
    Problem(
        task_id="p/4",
        prompt="Return 1.",
        inside=True,
        tests=(PytestTest(code="from solution import g\n\ndef test_g():\n    assert g() == 1\n"),),
        reference="def g():\n    return 1\n",
        split="heldout",
    ),
    Problem(
        task_id="p/3",
        prompt="Print it.",
        tests=(StdinTest(input="", output="0.50\n", tolerance=1e-6), StdinTest(input="", output="A", ignore_case=True)),
        hidden_tests=(StdinTest(input="", output="b", checker="def check(input, expected, printed): return True"),),
        time_limit_s=2.0,
        license="MIT",
        split="heldout",
    ),
]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Any]:
    def load(folder: Path) -> Any:
        return datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))

    import datasets

    datasets.disable_progress_bars()
    yield load
    datasets.enable_progress_bars()


def written(path: Path, records: list[Any]) -> Path:
    write_jsonl(path, records)
    return path


def front_matter(card: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return found


def describe(data: DataSet) -> str:
    return pairs_card(data, "mine", None, localized=True, regions_known=False)


def test_pairs_go_to_trl_and_come_back_as_they_were(tmp_path: Path, load: Any) -> None:
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
    assert mark_errors(row).keys() <= row.keys(), "FocalDPOTrainer reads the regions as they are"
    assert {name: maybe_extract_prompt(row)[name] for name in ("prompt", "chosen", "rejected")} == {
        name: getattr(PAIRS[0], name) for name in ("prompt", "chosen", "rejected")
    }
    again, regions = tmp_path / "again.jsonl", tmp_path / "regions.jsonl"
    counts = ingest_pairs(Source([out / "data/train.parquet"]), again, spans=regions).counts
    assert (counts["pairs"], counts["spans"]) == (3, 2)
    assert list(read_pairs(again)) == PAIRS
    assert list(read_jsonl(regions, FocalSpans)) == SPANS
    assert again.read_bytes() == pairs.read_bytes()


def test_prompts_of_messages_are_trl_s_conversations_and_come_back(tmp_path: Path, load: Any) -> None:
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
    again, regions = tmp_path / "again.jsonl", tmp_path / "regions.jsonl"
    ingest_pairs(Source([out / "data/train.parquet"]), again, spans=regions)
    assert again.read_bytes() == pairs.read_bytes()
    assert list(read_jsonl(regions, FocalSpans)) == SPANS


def test_problems_of_every_kind_of_test_come_back_as_they_were(tmp_path: Path, load: Any) -> None:
    problems, out = written(tmp_path / "problems.jsonl", PROBLEMS), tmp_path / "set"
    found = export_problems(problems, out, lambda data: problems_card(data, "mine"))
    assert found == {"out": str(out), "problems": 4, "problems/train": 1, "problems/heldout": 3}
    rows = load(out)
    assert {split: len(rows[split]) for split in rows} == {"train": 1, "heldout": 3}
    assert rows["train"][0]["tests"][0]["call"] == "f(1)"
    back: list[Problem] = []
    for split in rows:
        again = tmp_path / f"{split}.jsonl"
        ingest(Source([out / "data" / f"{split}.parquet"]), "jsonl", again, EXECUTION, Selection(), tmp_path / "store")
        back += read_jsonl(again, Problem)
    assert back == PROBLEMS
    card = (out / "README.md").read_text(encoding="utf-8")
    assert front_matter(card)["license"] == "unknown"
    assert "- mbpp: 1 problem, license cc-by-4.0" in card
    assert "- unrecorded source: 1 problem, license MIT" in card
    assert "- judged inside: 1 of 4; their tests run in the program's own process" in card
    assert "Do not train on the splits `heldout` and `validation`" in card


def test_what_cannot_be_exported_leaves_nothing_behind(tmp_path: Path) -> None:
    pairs, spans = written(tmp_path / "pairs.jsonl", PAIRS[1:]), written(tmp_path / "spans.jsonl", SPANS)
    with pytest.raises(RecordError, match=r"'a' is not in .*; localize these pairs again"):
        export_pairs(pairs, spans, None, tmp_path / "set", describe)
    problems = written(tmp_path / "p.jsonl", [PROBLEMS[0].model_copy(update={"split": "../x"})])
    with pytest.raises(InputError, match=r"field 'split' of 'p/1': '../x' is not one word"):
        export_problems(problems, tmp_path / "set", lambda _: "")
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.jsonl", "spans.jsonl", "p.jsonl"}
    (tmp_path / "set").mkdir()
    (tmp_path / "set/mine").touch()
    with pytest.raises(InputError, match="is not empty"):
        export_pairs(pairs, None, None, tmp_path / "set", describe)
