"""What is recorded about stages: DVC's graph, journals, hashes, MLflow."""

import json
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
import yaml
from mlflow.tracking import MlflowClient

from iterpref_core.config import ExecutionParams, Params, load_params
from iterpref_core.errors import InputError
from tasks.common.paths import SUMMARY, metrics_path, model_path
from tasks.common.stage_body import read_body, read_metrics, run_body
from tasks.recording.dvc_graph import Stage, dvc_md5, load_graph, select_stages
from tasks.recording.stage_journal import journal_path, open_journal, read_events, record_metrics
from tests.settings import ROOT


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(ROOT / "params.yaml")


def test_the_graph_is_dvcs() -> None:
    graph = load_graph(ROOT)
    named = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert {name.partition("@")[0] for name in graph} == named.keys()
    assert graph["evaluation@target-rpo"].upstream == ("problems", "training@target-rpo")
    assert graph["training@sft"].inputs == ("data/focal.jsonl", "data/pairs.jsonl", "models/student")
    assert "training.objectives.sft" in graph["training@sft"].params
    assert next(iter(graph)) == "problems"
    assert list(graph)[-1] == "report"


@pytest.mark.parametrize("stage", ["nanolab", "validity", "codeflow", "localization", "evaluation@base"])
def test_limits_make_a_stage_stale_and_what_runs_the_programs_does_not(stage: str) -> None:
    watched = {key.removeprefix("execution.") for key in load_graph(ROOT)[stage].params if key.startswith("execution")}
    assert watched == set(ExecutionParams.model_fields) - {"engine", "workers", "environments"}


def test_targets_bring_what_they_need() -> None:
    graph = load_graph(ROOT)
    assert list(select_stages(graph, ("localization",))) == ["problems", "nanolab", "codeflow", "pairs", "localization"]
    assert len([name for name in select_stages(graph, ("training",)) if name.startswith("training@")]) == 5
    assert select_stages(graph, ()) == graph
    with pytest.raises(InputError, match="no stage 'trane'"):
        select_stages(graph, ("trane",))


def test_a_folder_without_dvc_is_refused(workspace: Path) -> None:
    with pytest.raises(InputError, match="repository's root"):
        load_graph(workspace)


def test_a_journal_is_read_as_it_grows(workspace: Path) -> None:
    journal = open_journal("training@sft")
    record_metrics({"loss": 0.5}, 1)
    events = list(read_events("training@sft"))
    assert [event.metrics for event, _ in events] == [{}, {"loss": 0.5}]
    record_metrics({"loss": 0.25}, 2)
    journal.close(0)
    rest = [event for event, _ in read_events("training@sft", events[-1][1])]
    assert [event.step for event in rest] == [2, 0]
    assert rest[-1].status == "FINISHED"


def test_half_a_line_waits_for_its_other_half(workspace: Path) -> None:
    open_journal("pairs").close(2, "params.yaml: pairs.seed: missing")
    text = journal_path("pairs").read_bytes()
    journal_path("pairs").write_bytes(text[:-10])
    assert len(list(read_events("pairs"))) == 1
    journal_path("pairs").write_bytes(text)
    assert list(read_events("pairs"))[-1][0].error == "params.yaml: pairs.seed: missing"


def test_a_body_leaves_its_metrics_and_its_time(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(1000.0, 2.5)
    monkeypatch.setattr("tasks.common.stage_body.time.time", lambda: next(clock))
    assert run_body("training@dpo", lambda: {"loss": 0.5}) == {"loss": 0.5}
    assert read_metrics("training@dpo") == {"loss": 0.5}
    record = read_body("training@dpo")
    assert record is not None
    assert (record.started, record.seconds) == (1000.0, 2.5)
    assert read_body("training@sft") is None


def test_a_body_that_fails_leaves_the_metrics_of_the_last_success(workspace: Path) -> None:
    def fail() -> dict[str, float]:
        raise InputError("broken")

    run_body("pairs", lambda: {"pairs": 3.0})
    with pytest.raises(InputError):
        run_body("pairs", fail)
    assert read_metrics("pairs") == {"pairs": 3.0}


def test_hashes_are_dvcs(workspace: Path) -> None:
    (workspace / "model" / "sub").mkdir(parents=True)
    (workspace / "model" / "sub" / "weights").write_bytes(b"\0" * 1000)
    (workspace / "model" / "config.json").write_text("{}\n", encoding="utf-8")
    (workspace / "pairs.jsonl").write_text("{}\n", encoding="utf-8")
    for command in (["init", "--no-scm"], ["add", "model", "pairs.jsonl"]):
        subprocess.run([sys.executable, "-m", "dvc", "--quiet", *command], check=True)
    for name in ("model", "pairs.jsonl"):
        entry = yaml.safe_load((workspace / f"{name}.dvc").read_text(encoding="utf-8"))
        assert entry["outs"][0]["md5"] == dvc_md5(workspace / name)


def test_an_experiment_holds_its_stages(workspace: Path, params: Params) -> None:
    from tasks.recording.tracking import StageRun, Tracker

    (workspace / "data").mkdir()
    (workspace / "data" / "pairs.jsonl").write_text("{}\n", encoding="utf-8")
    (workspace / "models" / "sft").mkdir(parents=True)
    (workspace / "models" / "sft" / "config.json").write_text("{}\n", encoding="utf-8")
    stage = Stage(
        "training@sft", (), ("data/pairs.jsonl",), ("models/sft",), ("training.beta", "training.objectives.sft")
    )

    tracker = Tracker()
    experiment = tracker.start_experiment(params)
    journal = open_journal("training@sft")
    run = StageRun(tracker, stage, experiment, params)
    for step in (1, 2):
        record_metrics({"loss": 1 / step}, step)
        run.follow()
    journal.close(0)
    run_body("training@sft", lambda: {"loss": 0.5, "humaneval+/pass_at_1": 0.0})
    run.finish("FINISHED")
    tracker.end_experiment(experiment, "FINISHED", {"run/total_s": 1.0})

    client, found = tracker.server.client, tracker.server.find
    nested_id, experiment_id = found(run.run_id), found(experiment)
    assert nested_id is not None
    assert experiment_id is not None
    nested = client.get_run(nested_id)
    assert nested.data.tags["mlflow.parentRunId"] == experiment_id
    assert nested.data.params["training.beta"] == str(params.training.beta)
    assert "training.objectives.dpo.alpha" not in nested.data.params
    assert [point.value for point in client.get_metric_history(nested_id, "loss")][:2] == [1.0, 0.5]
    assert nested.data.metrics["humaneval_plus/pass_at_1"] == 0.0
    assert nested.inputs.dataset_inputs[0].dataset.digest == dvc_md5(workspace / "data" / "pairs.jsonl")
    model = client.get_logged_model(nested.outputs.model_outputs[0].model_id)
    assert model.tags["dvc.md5"] == dvc_md5(workspace / "models" / "sft")
    whole = client.get_run(experiment_id)
    assert whole.info.status == "FINISHED"
    assert whole.data.params["training.objectives.dpo.alpha"] == str(params.training.objectives["dpo"].alpha)
    assert whole.data.metrics["training/sft/loss"] == 0.5


def write_report(workspace: Path, scores: dict[str, dict[str, float]]) -> None:
    """What a report says of models, which lie in the workspace: model -> benchmark -> pass@1."""
    models = {name: {key: {"pass_at_1": value} for key, value in own.items()} for name, own in scores.items()}
    paths = [model_path(name) for name in scores]
    inputs = {path.as_posix(): dvc_md5(workspace / path) for path in paths}
    summary = {"models": models, "provenance": {"inputs": inputs}}
    (workspace / SUMMARY).parent.mkdir(exist_ok=True)
    (workspace / SUMMARY).write_text(json.dumps(summary), encoding="utf-8")


def write_model(workspace: Path, name: str, weights: str) -> None:
    folder = workspace / model_path(name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights").write_text(weights, encoding="utf-8")


MODELS = Stage("training@all", (), (), ("models/student", "models/trained/sft", "models/trained/dpo"), ())
REPORT = Stage("report", (), (), ("reports",), ("",))


def record(params: Params, *, cached: bool = False) -> MlflowClient:
    """Record an experiment of two stages, models and report; returns the client that asks what came of it."""
    from tasks.recording.tracking import StageRun, Tracker

    tracker = Tracker()
    experiment = tracker.start_experiment(params)
    for stage in (MODELS, REPORT):
        run_body(stage.name, lambda: {"models": 3.0})
        StageRun(tracker, stage, experiment, params, cached=cached).finish("FINISHED")
    tracker.end_experiment(experiment, "FINISHED", {})
    return tracker.server.client


def test_every_model_is_a_version_once_and_the_report_says_which_is_best(workspace: Path, params: Params) -> None:
    for name in ("base", "sft", "dpo"):
        write_model(workspace, name, name)
    write_report(workspace, {"base": {"heldout": 0.9}, "sft": {"heldout": 0.5}, "dpo": {"heldout": 0.6}})
    record(params)
    client = record(params, cached=True)
    versions = client.search_model_versions("name = 'iterpref'")
    assert {version.tags["dvc.path"] for version in versions} == set(MODELS.outputs)
    assert len(versions) == 3, "the second experiment made no other models"
    best = client.get_model_version_by_alias("iterpref", "best")
    assert best.tags["dvc.md5"] == dvc_md5(workspace / "models/trained/dpo")
    assert best.tags["heldout/pass_at_1"] == "0.6"
    assert client.get_model_version_by_alias("iterpref", "base").tags["dvc.path"] == "models/student"
    model = client.get_logged_model(best.source.removeprefix("models:/"))
    assert model.tags["dvc.md5"] == best.tags["dvc.md5"]
    assert model.source_run_id == best.run_id

    write_model(workspace, "dpo", "trained longer")
    measured = {"sft": {"heldout": 0.5, "validation": 0.8}, "dpo": {"heldout": 0.6, "validation": 0.7}}
    write_report(workspace, measured)
    record(params)
    assert len(client.search_model_versions("name = 'iterpref'")) == 4
    best = client.get_model_version_by_alias("iterpref", "best")
    assert best.tags["dvc.path"] == "models/trained/sft", "what held-out problems say is not asked where others say it"
    assert client.get_registered_model("iterpref").tags["iterpref.best_on"] == "validation"


def test_a_cached_stage_is_recorded_like_one_that_ran(workspace: Path, params: Params) -> None:
    from tasks.recording.tracking import StageRun, Tracker

    (workspace / "data").mkdir()
    (workspace / "data/pairs.jsonl").write_text("{}\n", encoding="utf-8")
    for name in ("base", "sft"):
        write_model(workspace, name, name)
    stage = Stage(
        "training@sft",
        (),
        ("data/pairs.jsonl", "models/student"),
        ("models/trained/sft",),
        ("training.beta", "training.seed"),
    )
    found = []
    for cached in (False, True):
        tracker = Tracker()
        experiment = tracker.start_experiment(params)
        tracker.add("model", experiment, name="student", path="models/student", digest=dvc_md5(Path("models/student")))
        run = StageRun(tracker, stage, experiment, params, cached=cached)
        if not cached:
            journal = open_journal(stage.name)
            for step in (5, 10):
                record_metrics({"loss": 1 / step, "nll": 0.25}, step)
            run_body(stage.name, lambda: {"loss": 0.5})
            journal.close(0)
            run.follow()
            curve = "step,loss,nll,chosen\n5,0.2,0.25,0\n10,0.1,0.25,1\n"
            metrics_path(stage.name).with_suffix(".curve.csv").write_text(curve, encoding="utf-8")
        run.finish("FINISHED")
        tracker.end_experiment(experiment, "FINISHED", {})
        for name in (run.run_id, experiment):
            run_id = tracker.server.find(name)
            assert run_id is not None
            client = tracker.server.client
            found.append(client.get_run(run_id))
    for ran, unchanged in zip(found[:2], found[2:], strict=True):
        assert unchanged.data.params == ran.data.params
        assert unchanged.data.metrics == ran.data.metrics
        assert unchanged.inputs.dataset_inputs == ran.inputs.dataset_inputs
        assert unchanged.inputs.model_inputs == ran.inputs.model_inputs
        assert unchanged.outputs.model_outputs == ran.outputs.model_outputs
    assert found[0].data.metrics == {"loss": 0.5, "nll": 0.25}, "the stage's result, not the last step's"
    ran, unchanged = (
        {(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "loss")}
        for run in found[::2]
    )
    assert ran == unchanged == {(5, 0.2), (10, 0.1), (10, 0.5)}
    assert len(found[0].inputs.model_inputs) == len(found[0].outputs.model_outputs) == 1
    assert [run.data.tags.get("iterpref.cached") for run in found] == ["False", None, "True", None]


def test_the_report_is_kept_whole_with_its_tables(workspace: Path, params: Params) -> None:
    from tasks.recording.tracking import StageRun, Tracker

    write_report(workspace, {})
    for name in ("index.html", "results.csv"):
        (workspace / "reports" / name).write_text(f"{name}\n", encoding="utf-8")
    tracker = Tracker()
    stage = Stage("report", (), (), ("reports",), ("",))
    run = StageRun(tracker, stage, tracker.start_experiment(params), params)
    run_body("report", lambda: {"heldout/base": 0.5})
    run.finish("FINISHED")
    run_id = tracker.server.find(run.run_id)
    assert run_id is not None
    kept = {file.path for file in tracker.server.client.list_artifacts(run_id, "reports")}
    tracker.close()
    assert kept == {"reports/index.html", "reports/results.csv", "reports/summary.json"}


def test_a_bare_repro_keeps_to_one_experiment_as_long_as_the_parameters_stay(workspace: Path, params: Params) -> None:
    from tasks.recording.tracking import Tracker

    trackers = [Tracker() for _ in range(3)]
    first = trackers[0].find_experiment(params)
    assert trackers[1].find_experiment(params) == first
    changed = params.model_copy(update={"training": params.training.model_copy(update={"beta": 0.2})})
    assert trackers[2].find_experiment(changed) != first
    for tracker in trackers:
        tracker.close()
