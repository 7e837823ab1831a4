"""`gate` and `export` on the command line: exit codes, and what they leave behind."""

import json
from pathlib import Path
from typing import Any

from iterpref_core.models.pretrained.lineage import read_lineage, write_lineage
from iterpref_core.records import FocalSpans, ModelLineage, PreferencePair
from iterpref_core.records.config import load_params
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.storage.jsonl import write_jsonl
from tests.command_line import Iterpref
from tests.settings import ROOT


def write_results(name: str, passed: int, sha256: str = "abc") -> str:
    entry = {
        "available": True, "n": 50, "pass_at_1": passed / 50, "ci95": [0.0, 1.0],
        "errors": {"wrong_answer": 50 - passed}, "passed": [f"t/{n}" for n in range(passed)],
        "verdicts": {f"t/{n}": ["passed" if n < passed else "wrong_answer"] for n in range(50)},
        "data": {"name": "mbpp", "sha256": sha256}, "harness": "h-1", "limits": {}, "isolation": "i",
    }  # fmt: skip
    Path(name).mkdir()
    Path(name, "results.json").write_text(json.dumps({"model": name, "benchmarks": {"mbpp": entry}}), encoding="utf-8")
    return name


def write_summary(inputs: dict[str, str], **codeflow: Any) -> None:
    parts = ("contamination", "models", "comparisons", "unavailable", "ground_truth", "localization")
    params = load_params(ROOT / "params.yaml").model_dump(mode="json")
    counts = dict.fromkeys(("llm_calls", "tokens", "prompt_tokens", "completion_tokens", "cost_usd"), 0)
    counts |= {"pairs": 2, "problems": 3}
    found: dict[str, Any] = {name: {} for name in parts} | {
        "missing": [],
        "validity": {"problems": 3, "references": {}},
    }
    found["codeflow"] = {"dropped": {}, "verdicts": {}, "pass_rate_by_iteration": []} | counts | codeflow
    origin = {"params": params, "inputs": inputs, "data": {}, "weights": {}, "versions": {}, "isolation": ""}
    found["provenance"] = origin
    Path("reports").mkdir(exist_ok=True)
    Path("reports/summary.json").write_text(json.dumps(found), encoding="utf-8")


def test_the_gate_tells_by_its_exit_code(iterpref: Iterpref) -> None:
    base = write_results("base", 30)
    code, out, _ = iterpref("gate", "--baseline", base, "--candidate", write_results("worse", 20))
    assert (code, "significantly worse on MBPP" in out) == (1, True)
    code, out, _ = iterpref("gate", "--baseline", base, "--candidate", write_results("close", 28), "--json")
    assert (code, json.loads(out)["benchmarks"]["mbpp"]["tasks_lost"]) == (0, ["t/28", "t/29"])
    code, _, err = iterpref("gate", "--baseline", base, "--candidate", write_results("other", 30, sha256="def"))
    assert (code, "were measured on different data" in err) == (2, True)


def test_a_model_is_exported_with_a_card(iterpref: Iterpref, word_model: Path) -> None:
    assert iterpref("export", "--model", word_model, "--out", "alone")[0] == 0, "no report is needed"
    assert "no report has scores of exactly these weights" in Path("alone/README.md").read_text("utf-8")
    write_summary({})
    lineage = ModelLineage(base="student", objective="dpo", pairs=1, steps=3, versions={})
    write_lineage(Path("alone"), lineage)
    assert iterpref("export", "--model", "alone", "--out", "again")[0] == 0
    card = Path("again/README.md").read_text(encoding="utf-8")
    assert ("# again\n" in card, "1 preference pair from" in card) == (True, True)
    assert read_lineage(Path("again")) == lineage
    code, _, err = iterpref("export", "--model", "alone", "--out", "again")
    assert (code, "is not empty" in err) == (2, True)


def test_pairs_are_exported_with_what_the_summary_says_of_them(iterpref: Iterpref) -> None:
    pairs, spans = Path("pairs.jsonl"), Path("spans.jsonl")
    write_jsonl(pairs, [PreferencePair(task_id="a", prompt="p", chosen="x = 1", rejected="x = 2")])
    write_jsonl(spans, [FocalSpans(task_id="a", method="line_lcs", rejected=((0, 5),), chosen=((0, 5),))])
    arguments = ("export", "--pairs", pairs, "--spans", spans, "--out")
    code, out, _ = iterpref(*arguments, "unknown", "--json")
    assert (code, json.loads(out)["pairs"]) == (0, 1)
    assert "there is no record of these pairs" in Path("unknown/README.md").read_text(encoding="utf-8")
    write_summary(
        {"data/pairs.jsonl": file_digest(pairs, "md5"), "data/focal.jsonl": file_digest(spans, "md5")},
        dropped={"cosmetic": 2},
    )
    assert iterpref(*arguments, "known")[0] == 0
    card = Path("known/README.md").read_text(encoding="utf-8")
    for text in ("# known\n", "- dropped, cosmetic: 2\n", "`widen_lines` 0", "Not checked."):
        assert text in card
    Path("reports/summary.json").write_text("{}", encoding="utf-8")
    code, _, err = iterpref(*arguments, "broken")
    assert (code, "written by another version of the report" in err, Path("broken").exists()) == (2, True, False)
