"""The whole experiment, tiny, from a fresh checkout: it runs, is then up to date, and a change reruns what reads it."""

import json
from contextlib import chdir

import pytest

from tasks.dvc.survey import survey
from tests.pipeline.conftest import Checkout

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_the_experiment_runs_once_and_reruns_what_changed(checkout: Checkout) -> None:
    output = checkout.iterpref("run")
    assert "Target-RPO" in output, output
    summary = json.loads((checkout.path / "reports/summary.json").read_text(encoding="utf-8"))
    assert set(summary["models"]) == {"base", "debugger", "sft", "rpo", "target-rpo"}
    assert "15 unchanged" in checkout.iterpref("run")
    assert "Data and pipelines are up to date" in checkout.dvc("repro")
    params = checkout.path / "params.yaml"
    text = params.read_text(encoding="utf-8")
    versions = checkout.path / "environments/versions.yaml"
    try:
        params.write_text(text.replace("beta: 0.1 #", "beta: 0.2 #"), encoding="utf-8")
        assert stale(checkout) == {"training@rpo", "training@target-rpo", "report"}
        params.write_text(text, encoding="utf-8")
        versions.write_text(versions.read_text(encoding="utf-8").replace("peft:", "peft: 9 #"), encoding="utf-8")
        assert {name.partition("@")[0] for name in stale(checkout)} == {"training"}, "peft was upgraded"
    finally:
        params.write_text(text, encoding="utf-8")
        checkout.run("git", "checkout", "--", "environments")


def test_an_objective_that_leaves_the_graph_leaves_the_report(checkout: Checkout) -> None:
    checkout.iterpref("run")
    graph = checkout.path / "dvc.yaml"
    text = graph.read_text(encoding="utf-8")
    try:
        checkout.leave_out("rpo")
        assert stale(checkout) == {"report"}
        checkout.iterpref("run")
        summary = json.loads((checkout.path / "reports/summary.json").read_text(encoding="utf-8"))
        assert ("rpo" in summary["models"], "sft" in summary["models"], summary["missing"]) == (False, True, [])
        assert (checkout.path / "results/rpo").is_dir(), "its results are still there"
    finally:
        graph.write_text(text, encoding="utf-8")


def stale(checkout: Checkout) -> set[str]:
    """The stages of which `dvc status` says that something has changed, without those behind them."""
    with chdir(checkout.path):
        return set(survey().stale)
