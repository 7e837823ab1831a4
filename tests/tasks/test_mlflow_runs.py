"""MLflow: one run for an invocation, its stages nested in it, once, whatever was away or killed meanwhile."""

import json
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml

from iterpref_core.storage.jsonl import atomic_writer
from tasks import mlflow_runs
from tasks.mlflow_runs import RUN_VARIABLE, LiveCurve, Server, log_missing, log_stage
from tasks.paths import BODIES, metrics_path
from tests.http_server import serving
from tests.once import give_mlflow_tables
from tests.settings import ROOT

MD5 = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a stage of `iterpref run` sees it, with a data base that has its tables."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "DVC_EXP_NAME", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(RUN_VARIABLE, "merry-otter")
    monkeypatch.setattr(mlflow_runs, "_away", mlflow_runs._Away())
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    give_mlflow_tables(tmp_path_factory, tmp_path)
    return tmp_path


def write(path: Path, value: object) -> None:
    with atomic_writer(path) as file:
        json.dump(value, file)


def finish(stage: str, metrics: dict[str, float], curve: str = "") -> None:
    """What a stage's body leaves behind: it began ten seconds ago, and took eight."""
    now = time.time()
    write(metrics_path(stage), metrics)
    write(BODIES / f"{stage}.json", {"stage": stage, "started": now - 10, "ended": now - 2})
    if curve:
        metrics_path(stage).with_suffix(".curve.csv").write_text(curve)


def lock(**outs: dict[str, str]) -> None:
    """dvc.lock, as DVC writes it after a stage."""
    stages = {
        stage.replace("_at_", "@"): {
            "cmd": "x",
            "deps": [{"path": "data/pairs.jsonl", "md5": MD5, "size": 3}],
            "params": {"params.yaml": {"training.beta": 0.1}},
            "outs": [{"path": path, "md5": md5, "size": 2} for path, md5 in paths.items()],
        }
        for stage, paths in outs.items()
    }
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def runs() -> dict[str, Any]:
    """All runs by name."""
    server = Server()
    found = server.client.search_runs([server.experiment_id], max_results=100)
    assert len({run.info.run_name for run in found}) == len(found), "a run is there twice"
    return {run.info.run_name: run for run in found}


CURVE = "step,loss\n1,3.0\n2,2.0\n"


def test_a_training_has_its_duration_its_curve_and_what_tells_it_apart() -> None:
    lock(pairs={"data/pairs.jsonl": MD5})
    finish("pairs", {"pairs": 3})
    finish("training@target-rpo", {"loss": 2.5, "pairs": 3}, CURVE)
    log_stage("training@target-rpo")
    log_missing("merry-otter")
    lock(pairs={"data/pairs.jsonl": MD5}, **{"training@target-rpo": {}})
    log_missing("merry-otter")  # twice is once
    found = runs()
    run, holder = found["training@target-rpo"], found["merry-otter"]
    assert run.data.tags["mlflow.parentRunId"] == holder.info.run_id
    assert (run.info.status, holder.info.status) == ("FINISHED", "FINISHED")
    assert run.info.end_time - run.info.start_time == pytest.approx(8000, abs=2)
    assert run.data.metrics == {"loss": 2.0, "mean_loss": 2.5}, "the curve's last point stands"
    told = {"objective", "alpha", "beta", "learning_rate", "epochs", "seed", "student", "data"}
    assert told <= run.data.params.keys()
    assert run.data.params["data"] == MD5
    assert {"mlflow.user", "mlflow.source.name", "version.torch"} <= run.data.tags.keys()
    points = Server().client.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in points] == [(1, 3.0), (2, 2.0)]


def test_data_sets_and_models_have_dvc_s_digests_and_evaluations_score_the_model() -> None:
    Path("data").mkdir()
    Path("data/pairs.jsonl").write_text('{"task_id": "a", "prompt": "p"}\n')
    for stage, metrics in {"pairs": {"pairs": 1}, "training@sft": {"loss": 1.0}}.items():
        finish(stage, metrics)
        log_stage(stage)
    lock(pairs={"data/pairs.jsonl": MD5}, training_at_sft={"models/trained/sft": f"{MD5}.dir"})
    log_missing("merry-otter")
    finish("evaluation@sft", {"humaneval+/pass_at_1": 0.5})
    log_stage("evaluation@sft")
    stages = yaml.safe_load(Path("dvc.lock").read_text())
    deps = [{"path": "models/trained/sft", "md5": f"{MD5}.dir"}]
    stages["stages"]["evaluation@sft"] = {"cmd": "x", "deps": deps, "outs": []}
    Path("dvc.lock").write_text(yaml.safe_dump(stages))
    log_missing("merry-otter")
    server, found = Server(), runs()
    (data,) = [item.dataset for item in found["training@sft"].inputs.dataset_inputs]
    assert (data.name, data.digest) == ("data/pairs.jsonl", MD5)
    assert found["training@sft"].data.params["training.beta"] == "0.1"
    (model,) = server.client.search_logged_models([server.experiment_id])
    assert (model.name, model.tags["dvc.md5"], model.params["objective"]) == ("sft", f"{MD5}.dir", "sft")
    assert [(point.key, point.value) for point in model.metrics] == [("humaneval_plus/pass_at_1", 0.5)]
    assert found["merry-otter"].data.metrics["sft/humaneval_plus/pass_at_1"] == 0.5
    assert "pairs.json" in [item.path for item in server.client.list_artifacts(found["pairs"].info.run_id)]


def test_what_was_cached_is_a_link_and_what_dvc_restored_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    finish("problems", {"problems": 9})
    log_stage("problems")
    lock(problems={"data/problems.jsonl": MD5})
    log_missing("merry-otter")
    finish("pairs", {"pairs": 3})
    lock(problems={"data/problems.jsonl": MD5}, pairs={"data/pairs.jsonl": MD5[::-1]})  # from the run cache
    monkeypatch.setenv(RUN_VARIABLE, "calm-heron")
    finish("validity", {"killed": 1})
    log_stage("validity")
    log_missing("calm-heron")
    found = runs()
    assert found["pairs"].data.tags["dvc.restored"] == "true"
    note = found["calm-heron"].data.tags["mlflow.note.content"]
    assert f"[problems](#/experiments/{Server().experiment_id}/runs/{found['problems'].info.run_id}): unchanged" in note


def test_other_parameters_are_another_run_and_a_dvc_experiment_names_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ours")
    finish("problems", {"problems": 9})
    log_stage("problems")
    monkeypatch.setenv("DVC_EXP_NAME", "crisp-owl")
    finish("pairs", {"pairs": 9})
    log_stage("pairs", "full disk", run="merry-otter")
    log_missing("merry-otter")
    found = runs()
    assert {"merry-otter", "crisp-owl"} <= found.keys()
    assert mlflow.get_experiment(found["pairs"].info.experiment_id).name == "ours"
    assert (found["pairs"].info.status, found["crisp-owl"].info.status) == ("FAILED", "FAILED")
    assert found["pairs"].data.tags["mlflow.note.content"] == "full disk"
    before = found["merry-otter"].info.run_id
    text = Path("params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace("  beta: 0.1", "  beta: 0.2"), encoding="utf-8")
    monkeypatch.delenv("DVC_EXP_NAME")
    finish("validity", {"killed": 1})
    log_stage("validity", run="merry-otter")
    log_missing()
    server = Server()
    (later,) = server.client.search_runs([server.experiment_id], "tags.`iterpref.stage` = 'validity'")
    assert later.data.tags["mlflow.parentRunId"] != before


@pytest.mark.parametrize("answer", [None, 401, 403])
def test_a_server_that_is_away_or_refuses_costs_one_warning_and_the_next_run_records(
    answer: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    finish("problems", {"problems": 9})
    log_stage("problems")
    with serving(lambda *_: answer or 500) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url if answer else "http://127.0.0.1:9")
        log_missing("merry-otter")
        log_missing("merry-otter")
    told = capsys.readouterr().err
    assert told.count("warning: MLflow at ") == 1
    assert (f"answers {answer}" if answer else "does not answer") in told
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setattr(mlflow_runs, "_away", mlflow_runs._Away())
    log_missing("merry-otter")
    assert runs()["problems"].data.metrics == {"problems": 9.0}


def _train_and_die() -> None:
    curve = LiveCurve("training@sft")
    curve({"loss": 3.0}, 1)
    os._exit(9)


def test_a_training_shows_its_curve_while_it_runs_once_and_is_called_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_runs, "LIVE_AFTER_S", 0.0)
    Server()
    training = multiprocessing.get_context("fork").Process(target=_train_and_die)
    training.start()
    training.join()
    found = runs()["training@sft"]
    assert (found.info.status, found.data.metrics) == ("RUNNING", {"loss": 3.0})
    curve = LiveCurve("training@dpo")
    curve({"loss": 3.0}, 1)
    finish("training@dpo", {"loss": 2.5}, CURVE)
    log_stage("training@dpo")
    log_missing("merry-otter")
    found = runs()
    assert (found["training@sft"].info.status, found["training@dpo"].info.status) == ("KILLED", "FINISHED")
    points = Server().client.get_metric_history(found["training@dpo"].info.run_id, "loss")
    assert [(point.step, point.value) for point in points] == [(1, 3.0), (2, 2.0)]
