"""The verbs that bring problems and pairs in, from the command line on."""

import json
from pathlib import Path

import pytest

from tests.settings import ROOT

MBPP = {
    "text": "Write a function to add one.",
    "code": "def plus(x): return x + 1",
    "task_id": 601,
    "test_setup_code": "",
    "test_list": ["assert plus(1) == 2"],
    "challenge_test_list": [],
}


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def write(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_ingest_names_ten_broken_problems_and_where_the_rest_is(iterpref, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    numbers = (609, 613, 617, 621, 625, 627, 634, 636, 650, 651, 654)
    broken = [MBPP | {"task_id": number, "code": "def plus(x): return x"} for number in numbers]
    source, out, verdicts = write(tmp_path / "in.jsonl", MBPP, *broken), tmp_path / "out.jsonl", tmp_path / "v.jsonl"
    code, text, _ = iterpref("ingest", source, "--format", "mbpp", "--out", out, "--verdicts", verdicts)
    assert code == 0
    assert "broken: mbpp/609 (line 2): wrong_answer: plus(1) returned 1, expected 2" in text
    assert text.count("broken: ") == 10
    assert text.rstrip().endswith(f"and 1 more, see {verdicts}")
    assert len(verdicts.read_text(encoding="utf-8").splitlines()) == 12
    code, text, _ = iterpref("ingest", source, "--format", "mbpp", "--out", out, "--json")
    shown = json.loads(text)
    assert (shown["problems"], shown["references/wrong_answer"], len(shown["broken"])) == (1, 11, 10)
    code, _, err = iterpref("ingest", source, "--format", "mbpp", "--out", out, "--no-skip-broken")
    assert (code, "in.jsonl:2: field 'reference' of 'mbpp/609'" in err) == (2, True)


def test_fenced_pairs_become_pairs(iterpref, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pair = {"prompt": "p", "chosen": "```python\nx = 1\n```", "rejected": "```python\nx = 2\n```"}
    source, out = write(tmp_path / "in.jsonl", pair), tmp_path / "pairs.jsonl"
    code, text, _ = iterpref("ingest", source, "--format", "codeflow", "--out", out, "--json")
    assert (code, json.loads(text)["pairs"]) == (0, 1)
    written = json.loads(out.read_text(encoding="utf-8"))
    assert written == {"task_id": "pair-1", "prompt": "p", "chosen": "x = 1\n", "rejected": "x = 2\n"}


def test_injected_bugs_are_found_again(iterpref, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    problems, pairs, truth, spans = (tmp_path / f"{name}.jsonl" for name in ("problems", "pairs", "truth", "spans"))
    iterpref("ingest", write(tmp_path / "in.jsonl", MBPP), "--format", "mbpp", "--out", problems)
    code, text, _ = iterpref("inject", "--problems", problems, "--out", pairs, "--spans", truth, "--json")
    assert (code, json.loads(text)["pairs"]) == (0, 3)
    iterpref("localize", "--pairs", pairs, "--out", spans)
    code, text, _ = iterpref("compare-spans", "--pairs", pairs, "--spans", spans, "--truth", truth, "--json")
    assert (code, json.loads(text)["lines/exact"]) == (0, 1)
