"""`gate` and `export` on the command line: exit codes, and what they leave behind."""

import json
from pathlib import Path

import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from iterpref_core.config import load_params
from iterpref_core.inference.local.model_lineage import read_lineage, write_lineage
from iterpref_core.records import FocalSpans, ModelLineage, PreferencePair
from iterpref_core.storage.file_digest import file_md5
from iterpref_core.storage.jsonl import write_jsonl
from tests.settings import ROOT


def write_results(folder: Path, passed: int, sha256: str = "abc") -> Path:
    folder.mkdir()
    entry = {
        "available": True,
        "n": 50,
        "pass_at_1": passed / 50,
        "ci95": [0.0, 1.0],
        "errors": {"wrong_answer": 50 - passed},
        "verdicts": {f"t/{n}": ["passed" if n < passed else "wrong_answer"] for n in range(50)},
        "data": {"name": "mbpp", "sha256": sha256},
        "harness": "h-1",
        "limits": {},
        "isolation": "i",
    }
    results = {"model": folder.name, "benchmarks": {"mbpp": entry}}
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    return folder


def test_the_gate_tells_by_its_exit_code(iterpref, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(ROOT)
    base, worse, close = (write_results(tmp_path / name, n) for name, n in (("base", 30), ("worse", 20), ("close", 28)))
    other = write_results(tmp_path / "other", 30, sha256="def")

    code, out, _ = iterpref("gate", "--baseline", base, "--candidate", worse)
    assert code == 1
    assert "MBPP: 60.0% -> 40.0%, −20.0 [" in out
    assert "significantly worse on MBPP" in out
    code, out, _ = iterpref("gate", "--baseline", base, "--candidate", close, "--json")
    assert code == 0
    assert json.loads(out)["benchmarks"]["mbpp"]["tasks_lost"] == ["t/28", "t/29"]
    code, _, err = iterpref("gate", "--baseline", base, "--candidate", other)
    assert code == 2
    assert "measured on other data" in err
    assert iterpref("gate", "--baseline", base, "--candidate", base, "--benchmark", "mbpp+")[0] == 2


def test_a_model_is_exported_with_a_card(
    iterpref, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word_model: Path
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(ROOT)
    params = load_params().model_dump(mode="json")
    found = {
        "codeflow": {"pairs": 2, "problems": 3, "dropped": {}},
        **{name: {} for name in ("contamination", "models", "comparisons", "unavailable", "missing", "ground_truth")},
        "provenance": {"params": params, "inputs": {}, "data": {}, "versions": {}, "isolation": ""},
    }
    summary = tmp_path / "summary.json"
    summary.write_text(json.dumps(found), encoding="utf-8")
    arguments = ("export", "--model", word_model, "--out", tmp_path / "mine", "--summary", summary)
    assert iterpref(*arguments)[0] == 0
    card = (tmp_path / "mine/README.md").read_text(encoding="utf-8")
    assert "# mine\n" in card
    assert "How it was trained is unknown" in card
    monkeypatch.chdir(tmp_path)
    assert iterpref("export", "--model", word_model, "--out", "alone")[0] == 0, "no report is needed"
    base = AutoModelForCausalLM.from_pretrained(word_model)
    adapted = get_peft_model(base, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    adapted.peft_config["default"].base_model_name_or_path = str(word_model)
    adapted.save_pretrained(tmp_path / "adapter")
    assert iterpref("export", "--model", "adapter", "--out", "merged")[0] == 0
    assert not (tmp_path / "merged/adapter_config.json").exists()
    assert (tmp_path / "merged/model.safetensors").exists()
    assert "no report has scores of exactly these weights" in (tmp_path / "alone/README.md").read_text("utf-8")
    lineage = ModelLineage(base="student", objective="dpo", pairs=1, steps=3, versions={})
    write_lineage(tmp_path / "mine", lineage)
    arguments = ("export", "--model", tmp_path / "mine", "--out", tmp_path / "again", "--summary", summary)
    assert iterpref(*arguments)[0] == 0
    assert "1 preference pairs" in (tmp_path / "again/README.md").read_text(encoding="utf-8")
    assert read_lineage(tmp_path / "again") == lineage
    code, _, err = iterpref(*arguments)
    assert code == 2
    assert "is not empty" in err


def test_pairs_are_exported_with_what_the_summary_says_of_them(
    iterpref, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    pairs, spans = tmp_path / "pairs.jsonl", tmp_path / "spans.jsonl"
    write_jsonl(pairs, [PreferencePair(task_id="a", prompt="p", chosen="x = 1", rejected="x = 2")])
    write_jsonl(spans, [FocalSpans(task_id="a", method="line_lcs", rejected=((0, 5),), chosen=((0, 5),))])
    arguments = ("export", "--pairs", pairs, "--spans", spans, "--out")
    code, out, _ = iterpref(*arguments, tmp_path / "unknown", "--json")
    assert (code, json.loads(out)["pairs"]) == (0, 1)
    assert "Unknown: nothing is recorded of these very pairs" in (tmp_path / "unknown/README.md").read_text(
        encoding="utf-8"
    )
    params = load_params(ROOT / "params.yaml").model_dump(mode="json")
    inputs = {"data/pairs.jsonl": file_md5(pairs), "data/focal.jsonl": file_md5(spans)}
    found = {
        **{name: {} for name in ("contamination", "models", "comparisons", "unavailable", "missing", "ground_truth")},
        "codeflow": {"problems": 3, "dropped": {"cosmetic": 2}},
        "provenance": {"params": params, "inputs": inputs, "versions": {}},
    }
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/summary.json").write_text(json.dumps(found), encoding="utf-8")
    assert iterpref(*arguments, tmp_path / "known", "--name", "Mine")[0] == 0
    card = (tmp_path / "known/README.md").read_text(encoding="utf-8")
    for text in ("# Mine\n", "- dropped, cosmetic: 2\n", "scratch.\n", "`max_executions` 64", "Not checked."):
        assert text in card
    (tmp_path / "reports/summary.json").write_text("{}", encoding="utf-8")
    code, _, err = iterpref(*arguments, tmp_path / "broken")
    assert (code, "has no 'codeflow'" in err, (tmp_path / "broken").exists()) == (2, True, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give what to export: --model, --pairs or --problems"),
        (("--problems", "params.yaml", "--spans", "LICENSE"), "--spans goes with --pairs"),
    ],
)
def test_export_says_what_it_needs(
    iterpref, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(ROOT)
    code, _, err = iterpref("export", "--out", tmp_path / "o", *arguments)
    assert (code, message in err) == (2, True), err
