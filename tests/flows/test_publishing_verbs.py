"""`gate` and `export` on the command line: exit codes, and what they leave behind."""

import json
from pathlib import Path

from iterpref_core.evaluation.report.summary_record import write_summary
from iterpref_core.models.pretrained.lineage import read_lineage, write_lineage
from iterpref_core.records import ModelLineage
from tests.evaluation.report.conftest import experiment

__all__ = ["experiment"]


def test_the_gate_tells_by_its_exit_code(iterpref, experiment):
    gate = ("gate", "--baseline", "results/base", "--benchmark", "heldout", "--candidate")
    code, out, _ = iterpref(*gate, "results/dpo")
    assert (code, "significantly worse on held-out" in out) == (1, True), out
    experiment.write_results("close", 68)
    code, out, _ = iterpref(*gate, "results/close", "--json")
    lost = json.loads(out)["benchmarks"]["heldout"]["tasks_lost"]
    assert (code, lost) == (0, ["task/0068", "task/0069"])
    code, out, _ = iterpref(*gate, "results/close", "--margin", "1")
    assert (code, "not excluded: a loss of up to" in out, "a loss of 1 points is not excluded" in out) == (
        1,
        True,
        True,
    )
    code, out, _ = iterpref(*gate, "results/close", "--kept", "1")
    assert (code, "significantly less kept than 100.0% on held-out" in out) == (1, True), out


def test_a_model_is_exported_with_a_card(iterpref, word_model, experiment):
    assert iterpref("export", "--model", word_model, "--out", "alone")[0] == 0, "no report is needed"
    assert "no report has scores of exactly these weights" in Path("alone/README.md").read_text("utf-8")
    write_summary(experiment.summarize(), Path("reports/summary.json"))
    lineage = ModelLineage(base="student", objective="dpo", pairs=1, steps=3, versions={})
    write_lineage(Path("alone"), lineage)
    assert iterpref("export", "--model", "alone", "--out", "again")[0] == 0
    card = Path("again/README.md").read_text()
    assert ("# again\n" in card, '"objective": "dpo"' in card) == (True, True)
    assert read_lineage(Path("again")) == lineage
    Path("reports/summary.json").write_text("{}")
    code, _, err = iterpref("export", "--model", "alone", "--out", "broken")
    assert (code, "written by another version of the report" in err, Path("broken").exists()) == (2, True, False)
