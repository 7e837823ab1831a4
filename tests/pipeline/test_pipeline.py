"""The whole experiment, tiny, from a fresh checkout: it runs, is then up to date, and a change reruns what reads it.

Of one experiment in one test, since its stages take a minute.
"""

import json
from contextlib import chdir

import pytest

from tasks.dvc.graph import survey
from tasks.profiles import write_values
from tests.dvc_repository import reproduce

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_the_experiment_runs_once_and_reruns_what_changed(checkout, monkeypatch):
    output = checkout.iterpref("run")
    assert "Target-RPO" in output, output
    assert read_summary(checkout)["models"].keys() == {"base", "target-rpo"}
    pairs = json.loads((checkout.path / "metrics/pairs.json").read_text())
    assert pairs["own/given/pairs"] == 12
    assert stale(checkout) == set()
    params = checkout.path / "params.yaml"
    text = params.read_text()
    write_values({"training.objectives.target-rpo.beta": 0.2}, params)
    assert stale(checkout) == {"training@target-rpo", "report"}
    params.write_text(text)

    checkout.leave_out("target-rpo", "target-rpo: models/")  # the row of its evaluation: its training stays
    assert stale(checkout) == {"report"}
    monkeypatch.setenv("PATH", checkout.environment["PATH"])  # stages find the Python of the tests
    with chdir(checkout.path):
        reproduce()
    summary = read_summary(checkout)
    assert (summary["models"].keys(), summary["missing"]) == ({"base"}, [])
    assert (checkout.path / "results/target-rpo").is_dir(), "its results are still there"


def read_summary(checkout):
    """Return what the report's summary says."""
    return json.loads((checkout.path / "reports/summary.json").read_text())


def stale(checkout):
    """The stages of which `dvc status` says that something has changed, without those behind them."""
    with chdir(checkout.path):
        return set(survey().stale)
