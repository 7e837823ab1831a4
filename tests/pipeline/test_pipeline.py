"""The experiment for real, tiny: killed, resumed, repeated, changed and changed back.

The tests of this file share one workspace and run in their order.
"""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.pipeline.conftest import Workspace

pytestmark = [pytest.mark.timeout(2400), pytest.mark.xdist_group("experiment")]

MODELS = {"base", "debugger", "sft", "dpo", "rpo", "target-dpo", "target-rpo"}


def summary(workspace: "Workspace") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((workspace.path / "reports" / "summary.json").read_text(encoding="utf-8"))
    return content


def lock_md5(workspace: "Workspace", artifact: str) -> str:
    stages = yaml.safe_load((workspace.path / "dvc.lock").read_text(encoding="utf-8"))["stages"].values()
    (md5,) = {out["md5"] for stage in stages for out in stage["outs"] if out["path"] == artifact}
    return str(md5)


def ran(output: str) -> set[str]:
    """Stages that `dvc repro` ran or restored."""
    return set(re.findall(r"Running stage '([^']+)'", output))


def test_the_experiment_ends_with_a_table_of_all_models(experiment: "Workspace") -> None:
    content = summary(experiment)
    assert set(content["models"]) == MODELS
    assert all(0 <= model["heldout"]["pass_at_1"] <= 1 for model in content["models"].values())
    assert content["codeflow"]["problems"] == 160
    assert content["codeflow"]["pairs"] > 0
    rates = content["codeflow"]["pass_rate_by_iteration"]
    assert rates == sorted(rates)
    output = (experiment.path / ".iterpref" / "run.log").read_text(encoding="utf-8")
    assert "Target-RPO" in output
    assert "orchestration" in output
    assert f"\npairs          {content['codeflow']['pairs']} of 160 problems; " in output
    assert (experiment.path / "reports" / "index.html").stat().st_size > 10_000


def test_codeflow_resumed_where_it_was_killed(experiment: "Workspace") -> None:
    finished = (experiment.path / ".iterpref" / "when-killed.jsonl").read_bytes().splitlines()
    trajectories = (experiment.path / "data" / "trajectories.jsonl").read_bytes().splitlines()
    assert 0 < len(finished) < len(trajectories) == 160
    assert set(finished) <= set(trajectories)
    output = (experiment.path / ".iterpref" / "run.log").read_text(encoding="utf-8")
    assert "problems            unchanged" in output, "what was finished before the kill is not repeated"
    assert "nanolab             unchanged" in output


def test_everything_is_in_mlflow(experiment: "Workspace") -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{experiment.path / 'mlflow.db'}")
    (found,) = (item for item in client.search_experiments() if item.name == "iterpref")
    runs = client.search_runs([found.experiment_id], max_results=200)
    (whole,) = (
        run for run in runs if run.info.run_name.startswith("experiment-") and "run/total_s" in run.data.metrics
    )
    stages = [run.info.run_id for run in runs if run.data.tags.get("mlflow.parentRunId") == whole.info.run_id]
    nested = {run.info.run_name: run for run in map(client.get_run, stages)}
    assert len(nested) == 19
    assert nested["nanolab"].data.tags["iterpref.cached"] == "True"
    train = nested["training@target-rpo"]
    assert train.data.params["training.objectives.target-rpo.alpha"]
    assert client.get_metric_history(train.info.run_id, "loss")
    datasets = {item.dataset.name: item.dataset.digest for item in train.inputs.dataset_inputs}
    assert datasets["data/pairs.jsonl"] == lock_md5(experiment, "data/pairs.jsonl")
    model = client.get_logged_model(train.outputs.model_outputs[0].model_id)
    assert model.tags["dvc.md5"] == lock_md5(experiment, "models/trained/target-rpo")
    assert nested["evaluation@target-rpo"].inputs.model_inputs[0].model_id == model.model_id
    assert "heldout/pass_at_1" in nested["evaluation@target-rpo"].data.metrics


def test_stages_are_subflows_of_the_experiment(experiment: "Workspace") -> None:
    with closing(sqlite3.connect(experiment.path / ".iterpref" / "prefect" / "prefect.db")) as database:
        query = (
            "SELECT stage.name, parent.name, stage.state_name FROM flow_run AS stage "
            "JOIN task_run ON stage.parent_task_run_id = task_run.id "
            "JOIN flow_run AS whole ON task_run.flow_run_id = whole.id JOIN flow AS parent ON whole.flow_id = parent.id"
        )
        found = database.execute(query).fetchall()
        bodies = database.execute(
            "SELECT stage.name, body.name FROM flow_run AS stage JOIN task_run AS body ON body.flow_run_id = stage.id"
        ).fetchall()
        cached = database.execute("SELECT name FROM task_run WHERE state_name = 'Cached'").fetchall()
    assert ("training@target-rpo", "train_objective") in {(stage, name.rpartition("-")[0]) for stage, name in bodies}
    assert {parent for _, parent, _ in found} == {"experiment"}
    assert {state for *_, state in found} == {"Completed"}
    assert {name for name, *_ in found} >= {"codeflow", "training@target-rpo", "evaluation@base", "report"}
    assert {name for (name,) in cached} == {"problems", "nanolab"}


def test_repeating_does_nothing(experiment: "Workspace") -> None:
    done = experiment.dvc("repro")
    assert done.returncode == 0
    assert "up to date" in done.stdout
    assert not ran(done.stdout)


def test_beta_concerns_training_and_what_follows(experiment: "Workspace") -> None:
    experiment.set_param("beta: 0.1 #", "beta: 0.2 #")
    trained = {f"training@{name}" for name in MODELS - {"base", "debugger"}}
    assert experiment.stale() == trained | {"report"}, "the report records all values"
    experiment.set_param("beta: 0.2 #", "beta: 0.1 #")


@pytest.mark.faults
def test_training_resumes_where_it_was_killed_and_comes_to_the_same_model(experiment: "Workspace") -> None:
    before = (experiment.path / "reports" / "summary.json").read_bytes()
    experiment.set_param("target-rpo: { learning_rate: 3.0e-4", "target-rpo: { learning_rate: 0.9e-3")
    checkpoints = experiment.path / ".iterpref" / "work" / "training" / "checkpoints"
    experiment.kill_when("training@target-rpo", lambda: any(checkpoints.glob("target-rpo-*/checkpoint-*")))
    done = experiment.dvc("repro", "training@target-rpo")
    assert done.returncode == 0, done.stdout
    assert ran(done.stdout) == {"training@target-rpo"}
    resumed = lock_md5(experiment, "models/trained/target-rpo")
    assert not list(checkpoints.glob("target-rpo-*")), "a finished training leaves no checkpoint"

    done = experiment.dvc("repro", "--force", "--single-item", "training@target-rpo")
    assert done.returncode == 0, done.stdout
    assert lock_md5(experiment, "models/trained/target-rpo") == resumed

    experiment.set_param("target-rpo: { learning_rate: 0.9e-3", "target-rpo: { learning_rate: 3.0e-4")
    done = experiment.dvc("repro")
    assert done.returncode == 0, done.stdout
    assert not ran(done.stdout), "changing a value back restores from DVC's cache"
    assert (experiment.path / "reports" / "summary.json").read_bytes() == before


def test_bad_input_stops_a_stage_with_one_message(experiment: "Workspace") -> None:
    before = (experiment.path / "data" / "pairs.jsonl").read_bytes()
    path = experiment.path / "data" / "trajectories.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + b"\n")
    done = experiment.run("python", "-m", "flows.pairs")
    path.write_bytes(whole)
    assert done.returncode == 2
    assert "Traceback" not in done.stdout
    lines = done.stdout.splitlines()
    (message,) = [line for line in lines if not line.startswith("WARNING: ")]  # of benchmarks that are not here
    assert message.startswith(f"error: data/trajectories.jsonl:{len(whole.splitlines())}:")
    assert (experiment.path / "data" / "pairs.jsonl").read_bytes() == before


def test_bad_parameters_stop_everything_before_it_starts(
    fresh: "Workspace", iterpref: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.set_param("beta: 0.1 #", "beta: -1 #")
    stage = fresh.run("python", "-m", "flows.problems")
    monkeypatch.chdir(fresh.path)
    code, out, err = iterpref("run")
    fresh.set_param("beta: -1 #", "beta: 0.1 #")
    assert stage.returncode == code == 2
    expected = "error: params.yaml: training.beta: input should be greater than 0 (got -1)\n"
    assert (stage.stdout, out, err) == (expected, "", expected)
    assert not Path(fresh.path / "data").exists()
