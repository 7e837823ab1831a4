"""The stage: what it writes, what it leaves alone when an input is bad, and which models it shows."""

import re

import pytest

from iterpref_core.records import InputError


def test_a_model_that_no_stage_trains_stands_beside_the_others(experiment, tmp_path):
    """It has no stage of its own: `iterpref train` wrote the model, and a row of dvc.yaml had it evaluated."""
    experiment.write_results("sft-rejected", 155)
    summary = experiment.build(tmp_path)
    metrics = summary.metrics()
    assert (metrics["heldout/sft-rejected"], metrics["heldout/target-rpo"]) == (155 / 200, 0.8)
    low, kept, high = (metrics[f"heldout/{name}/dpo"] for name in ("kept_low", "kept", "kept_high"))
    assert kept == pytest.approx(40 / 70)
    assert low < kept < high
    assert all(re.fullmatch(r"[\w./ -]+", name) for name in metrics), "a metric's name that MLflow refuses"
    assert summary.comparisons["target-rpo"]["sft-rejected"]["heldout"].difference == pytest.approx(5 / 200)
    assert "SFT-rejected" in (tmp_path / "index.html").read_text()


def test_a_model_that_is_not_in_the_graph_is_not_in_the_report_which_a_bad_input_leaves_as_it_was(experiment, tmp_path):
    out = tmp_path / "reports"
    summary = experiment.build(out, names=["base", "sft", "new"])
    assert (list(summary.models), summary.missing) == (["base", "sft"], ("new",))
    assert summary.metrics()["models_missing"] == 1
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert b"RPO" not in before["index.html"]
    assert before.keys() == {"index.html", "explorer.html", "summary.json", "results.csv"}
    with experiment.files.pairs.open("a", encoding="utf-8") as file:
        file.write('{"task_id": "half')
    with pytest.raises(InputError, match="pairs:13: Invalid JSON"):
        experiment.build(out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
