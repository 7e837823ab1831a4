"""MLflow: a run for a command, its stages nested in it, each once, whatever was away, torn or killed meanwhile."""

import json
import math
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import chdir, closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.pipeline import stage_intervals
from tasks.doctor import examine_services
from tasks.dvc.lock import Artifact, LockedStage
from tasks.git.source import Source
from tasks.mlflow import live_curve
from tasks.mlflow.invocation import DVC, Invocation
from tasks.mlflow.live_curve import LiveCurve
from tasks.mlflow.records import RunRecord, StageRecord, end_killed, record_folders, waiting_records, with_end
from tasks.mlflow.runs import Sender, send_records, write_stage
from tasks.mlflow.server import Server, check_server, explain, safe_name, tracking_uri
from tasks.process import ProcessIdentity
from tasks.stage_name import StageName
from tests.http_server import serving
from tests.once import give_mlflow_tables
from tests.settings import ROOT

MD5 = "0123456789abcdef0123456789abcdef"
STARTED = 1_700_000_000.0
CURVE = [{"step": "1", "loss": "3.0"}, {"step": "2", "loss": "2.0"}]
PAIRS = Artifact(path="data/pairs.jsonl", md5=MD5, size=3)
MODEL = Artifact(path="models/trained/sft", md5=f"{MD5}.dir", size=2)


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with parameters, and a data base that has its tables."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tasks.mlflow.runs._sender", Sender())
    shutil.copy2(ROOT / "params.yaml", ".")
    give_mlflow_tables(tmp_path_factory, folder)
    return folder


def invocation(name: str = "beta=0.3", command: str = "iterpref run", commit: str = "a" * 40) -> Invocation:
    source = Source(commit=commit, branch="main", dirty="false")
    return Invocation(
        id=f"{name} {commit}", command=command, name=name, started=STARTED, source=source, params={"a": "1"}, tags={}
    )


def ended(stage: str, run: Invocation, status: str = "FINISHED", **values: Any) -> StageRecord:
    """The record of a stage that took eight seconds."""
    record = StageRecord(stage=stage, invocation=run, started=STARTED, ended=STARTED + 8, **values)
    record.end(status)  # type: ignore[arg-type]
    return record


def ended_run(run: Invocation, **values: Any) -> RunRecord:
    record = RunRecord(id=run.id, invocation=run, started=STARTED, ended=STARTED + 9, **values)
    record.end("FINISHED")
    return record


def runs(**values: Any) -> dict[str, Any]:
    """All runs by name."""
    server = Server()
    found = server.client.search_runs([server.experiment_id], max_results=2000, **values)
    assert len({run.info.run_name for run in found}) == len(found), "a run is there twice"
    return {run.info.run_name: run for run in found}


def points(run: Any, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in Server().client.get_metric_history(run.info.run_id, name)]


def test_a_training_has_its_time_its_curve_and_what_tells_it_apart(checkout: Path) -> None:
    columns = {"objective": "target-rpo", "alpha": "20.0", "beta": "0.3", "data": MD5[:8], "commit": "aaaaaaaa"}
    locked = LockedStage(deps=(PAIRS,), params={"training.beta": 0.3})
    ended("training@target-rpo", invocation(), curve=CURVE, columns=columns, locked=locked, metrics={"loss": 2.5})
    send_records()
    send_records()
    found = runs()
    run, holder = found["training@target-rpo"], found["beta=0.3"]
    assert run.data.tags["mlflow.parentRunId"] == holder.info.run_id
    assert (run.info.start_time, run.info.end_time) == (1000 * STARTED, 1000 * (STARTED + 8))
    assert stage_intervals(checkout) == [(STARTED, STARTED + 8)], "the run of the command is no stage"
    assert run.data.metrics == {"loss": 2.0, "mean_loss": 2.5}, "the curve's last point stands"
    assert columns.items() <= run.data.params.items()
    assert columns.items() <= holder.data.tags.items(), "what is compared stands on the row of the command"
    assert run.data.params["training.beta"] == "0.3"
    assert points(run, "loss") == [(1, 3.0), (2, 2.0)]
    assert record_folders() == []


def test_data_sets_and_models_have_dvc_s_digests_and_evaluations_score_the_model() -> None:
    run = invocation()
    pairs = ended("pairs", run, locked=LockedStage(outs=(PAIRS,)), metrics={"pairs": 1.0})
    pairs.files.mkdir()
    (pairs.files / "pairs.jsonl").write_text('{"task_id": "a"}\n', encoding="utf-8")
    behind = {"pairs": pairs.locked}
    training = ended("training@sft", run, locked=LockedStage(deps=(PAIRS,), outs=(MODEL,)), behind=behind)
    scores = {"sft/humaneval_plus/pass_at_1": 0.5}
    metrics = {"humaneval_plus/pass_at_1": 0.5}
    behind = behind | {"training@sft": training.locked}
    locked = LockedStage(deps=(MODEL,))
    ended("evaluation@sft", run, locked=locked, behind=behind, metrics=metrics, scores=scores)
    send_records()
    server, found = Server(), runs()
    (data,) = [item.dataset for item in found["training@sft"].inputs.dataset_inputs]
    assert (data.name, data.digest) == ("data/pairs.jsonl", MD5)
    (model,) = server.client.search_logged_models([server.experiment_id])
    assert (model.name, model.tags["dvc.md5"]) == ("sft", f"{MD5}.dir")
    assert [(point.key, point.value) for point in model.metrics] == [("humaneval_plus/pass_at_1", 0.5)]
    assert found["beta=0.3"].data.metrics == scores | {"best/humaneval_plus/pass_at_1": 0.5}
    assert {"pairs.json", "metrics.json"} == {
        item.path for item in server.client.list_artifacts(found["pairs"].info.run_id)
    }


def test_a_run_has_the_scores_of_what_it_reused_and_links_to_the_runs_that_made_it() -> None:
    first, second = invocation("first"), invocation("second", commit="b" * 40)
    locked = LockedStage(deps=(MODEL,))
    scores = {"sft/heldout/pass_at_1": 0.5, "base/heldout/pass_at_1": 0.75}
    ended("evaluation@sft", first, locked=locked, metrics={"heldout/pass_at_1": 0.5})
    ended_run(first, ran=["evaluation@sft"], stages={"evaluation@sft": locked}, scores=scores)
    columns = {"objective": "sft", "commit": "bbbbbbbb"}
    ended_run(second, stages={"evaluation@sft": locked, "pairs": LockedStage()}, scores=scores, columns=columns)
    send_records()
    found = runs()
    assert set(found) == {"first", "second", "evaluation@sft"}, "what did not run has no row"
    run_id = found["evaluation@sft"].info.run_id
    tags = found["second"].data.tags
    assert tags["mlflow.note.content"].startswith(
        f"- [evaluation@sft](#/experiments/{Server().experiment_id}/runs/{run_id}): unchanged, made "
    )
    assert "pairs" not in tags["mlflow.note.content"], "no run is known that made them"
    assert columns.items() <= tags.items()
    assert found["second"].data.metrics == scores | {"best/heldout/pass_at_1": 0.5}, "base is no objective"


def test_a_run_without_news_gets_no_row() -> None:
    locked = {"pairs": LockedStage(outs=(PAIRS,))}
    ended_run(invocation("first"), stages=locked)
    send_records()
    again = invocation("first").model_copy(update={"id": "another"})
    ended_run(again, stages=locked)
    ended_run(invocation("nothing", commit="c" * 40))
    send_records()
    assert set(runs()) == {"first"}
    ended_run(invocation("second", commit="b" * 40), stages=locked)
    send_records()
    assert set(runs()) == {"first", "second"}, "of a new commit there is one"


def test_under_dvc_alone_every_stage_says_how_far_the_run_is() -> None:
    run = invocation("dvc repro aaaaaaa", DVC)
    ended("training@sft", run, columns={"objective": "sft"})
    send_records()
    assert runs()["dvc repro aaaaaaa"].info.status == "FINISHED"
    ended("training@dpo", run, status="FAILED", columns={"objective": "dpo"})
    ended("training@rpo", run, columns={"objective": "rpo"})
    send_records()
    holder = runs()["dvc repro aaaaaaa"]
    assert (holder.info.status, holder.data.tags["objective"]) == ("FAILED", "sft, dpo, rpo")


def test_what_is_sent_again_is_there_once() -> None:
    import mlflow

    locked = LockedStage(deps=(PAIRS,), outs=(MODEL,))
    record = ended("training@sft", invocation(), locked=locked, curve=CURVE, metrics={"loss": 2.5})
    record.files.mkdir()
    (record.files / "pairs.jsonl").write_text('{"task_id": "a"}\n', encoding="utf-8")
    write_stage(Server(), record)
    send_records()  # as after a kill between both
    server, run = Server(), runs()["training@sft"]
    assert points(run, "loss") == [(1, 3.0), (2, 2.0)]
    assert points(run, "mean_loss") == [(0, 2.5)]
    table = json.loads(Path(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/pairs.json")).read_text())
    assert table["data"] == [["a"]]
    (model,) = server.client.search_logged_models([server.experiment_id])
    assert [item.model_id for item in server.client.get_run(run.info.run_id).outputs.model_outputs] == [model.model_id]


def test_no_record_blocks_another(capsys: pytest.CaptureFixture[str], checkout: Path) -> None:
    run = invocation()
    torn = ended("pairs", run)
    (torn.folder / "record.json").write_text('{"kind": "stage", "sta', encoding="utf-8")
    refused = ended("nanolab", run, columns={"alpha": "1"})
    server = Server()
    server.log_params(server.open_run(refused.id, "nanolab", STARTED, {}), {"alpha": "2"})
    ended("validity", run, metrics={"killed": math.nan})
    ended("codeflow", run, metrics={"rate@my bench#1//x": 1.0}, curve=[{"step": "1", "a<b": "2.0"}])
    ended("localization", run, metrics={"pairs": 3.0})
    send_records()
    found = runs()
    assert {"validity", "codeflow", "localization"} <= set(found)
    assert math.isnan(found["validity"].data.metrics["killed"])
    assert found["codeflow"].data.metrics["a_b"] == 2.0
    told = capsys.readouterr().err
    assert f"{torn.folder / 'record.json'} cannot be read" in told
    assert "nanolab is not recorded in MLflow: " in told
    waiting = {item.what: item.why for item in waiting_records()}
    assert set(waiting) == {"nanolab", torn.id}
    assert "Changing param values is not allowed" in waiting["nanolab"]
    (unsent,) = [item for item in examine_services() if item.name == "MLflow: unsent"]
    assert unsent.detail.startswith("2 wait in .iterpref/unsent")
    assert "Changing param values is not allowed" in unsent.remedy


@pytest.mark.parametrize("answer", [None, 401, 403])
def test_a_server_that_is_away_or_refuses_costs_one_warning_and_the_next_run_records(
    answer: int | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    ended("problems", invocation(), metrics={"problems": 9.0})
    with serving(lambda *_: answer or 500) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url if answer else "http://127.0.0.1:9")
        send_records()
        send_records()
    told = capsys.readouterr().err
    assert told.count("warning: MLflow at ") == 1
    assert (f"answers {answer}" if answer else "Connection refused") in told
    assert "defect" not in caplog.text
    assert [item.what for item in waiting_records()] == ["problems"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    Sender().send()
    assert runs()["problems"].data.metrics == {"problems": 9.0}


def test_a_refusal_in_json_is_one_too() -> None:
    from mlflow.exceptions import RestException

    error = RestException({"error_code": "PERMISSION_DENIED", "message": "not yours"})
    assert "answers 403: renew MLFLOW_TRACKING_TOKEN" in str(explain(error))


def test_a_defect_costs_no_work_and_is_not_taken_for_a_server_that_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ended("problems", invocation())
    with monkeypatch.context() as patch:
        patch.setattr("tasks.mlflow.runs.write_stage", lambda *_: {}["defect"])
        Sender().send()
    assert "KeyError: 'defect'" in capsys.readouterr().err
    assert "Traceback" in caplog.text
    with monkeypatch.context() as patch:
        patch.setattr("tasks.mlflow.server.tracking_uri", lambda: {}["defect"])
        patch.setattr("tasks.mlflow.server.shown_uri", lambda: "here")
        assert check_server() == "MLflow at here cannot be used: KeyError: 'defect'"
    Sender().send()
    assert "problems" in runs()


def test_a_deleted_experiment_is_told_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server()
    server.client.delete_experiment(server.experiment_id)
    ended("problems", invocation())
    send_records()
    told = capsys.readouterr().err
    assert f"mlflow experiments restore --experiment-id {server.experiment_id}" in told
    server.client.restore_experiment(server.experiment_id)
    Sender().send()
    assert "problems" in runs()


@pytest.mark.parametrize(("name", "experiment"), [("", "iterpref"), ("ours", "ours")])
def test_the_environment_names_the_experiment(name: str, experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    assert mlflow.get_experiment(Server().experiment_id).name == experiment


def test_relative_addresses_are_of_the_checkout(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(checkout))
    Path("worktree").mkdir()
    with chdir("worktree"):
        for given, meant in (
            ("", f"sqlite:///{checkout}/mlflow.db"),
            ("sqlite:///here/my.db", f"sqlite:///{checkout}/here/my.db"),
            ("sqlite:////srv/my.db", "sqlite:////srv/my.db"),
            ("mlruns", f"file://{checkout}/mlruns"),
            ("http://mlflow:5000", "http://mlflow:5000"),
        ):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
            assert tracking_uri() == meant


def test_a_moved_checkout_writes_its_artifacts_where_it_is(checkout: Path, tmp_path: Path) -> None:
    ended("problems", invocation(), metrics={"problems": 9.0})
    send_records()
    moved = tmp_path / "moved"
    checkout.rename(moved)
    with chdir(moved):
        ended("pairs", invocation(), metrics={"pairs": 9.0})
        send_records()
        found = runs()
        for name in ("problems", "pairs"):
            listed = Server().client.list_artifacts(found[name].info.run_id)
            assert [item.path for item in listed] == ["metrics.json"], name
    assert not checkout.exists()


def test_what_a_user_deleted_stays_deleted() -> None:
    from mlflow.entities import ViewType

    first = ended("problems", invocation("kept"))
    ended("pairs", invocation("gone"))
    send_records()
    server, found = Server(), runs()
    for name in ("problems", "gone"):
        server.client.delete_run(found[name].info.run_id)
    first.save()  # sent again
    ended("validity", invocation("gone"))
    send_records()
    assert set(runs()) == {"kept", "pairs"}
    assert set(runs(run_view_type=ViewType.DELETED_ONLY)) == {"problems", "gone"}
    assert record_folders() == []


def test_among_more_than_a_thousand_runs_nothing_is_there_twice(checkout: Path) -> None:
    locked = LockedStage(outs=(PAIRS,))
    record = ended("pairs", invocation("first"), locked=locked)
    send_records()
    made = runs()["pairs"].info.run_id
    with closing(sqlite3.connect(checkout / "mlflow.db")) as database, database:
        names = [row[1] for row in database.execute("PRAGMA table_info(runs)")]
        others = ", ".join(name for name in names if name not in ("run_uuid", "name", "start_time"))
        for number in range(1200):
            database.execute(
                f"INSERT INTO runs (run_uuid, name, start_time, {others}) "
                f"SELECT ?, ?, ?, {others} FROM runs WHERE run_uuid = ?",
                (f"{number:032}", f"other {number}", round(2000 * STARTED), made),
            )
    record.save()
    ended_run(invocation("second", commit="b" * 40), stages={"pairs": locked})
    send_records()
    found = runs()
    assert len(found) == 1200 + 3
    assert made in found["second"].data.tags["mlflow.note.content"]


def _train_and_die() -> None:
    StageRecord(stage="training@sft", invocation=invocation()).save()
    LiveCurve(StageName("training", "sft"))({"loss": 3.0}, 1)
    os._exit(9)


def test_a_training_shows_its_curve_while_it_runs_once_and_is_called_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_curve, "LIVE_AFTER_S", 0.0)
    Server()
    training = multiprocessing.get_context("fork").Process(target=_train_and_die)
    training.start()
    training.join()
    found = runs()["training@sft"]
    assert (found.info.status, found.data.metrics) == ("RUNNING", {"loss": 3.0})
    record = StageRecord(stage="training@dpo", invocation=invocation())
    record.save()
    LiveCurve(StageName("training", "dpo"))({"loss": 3.0}, 1)
    record.curve = CURVE
    record.end("FINISHED")
    send_records()
    found = runs()
    assert (found["training@sft"].info.status, found["training@dpo"].info.status) == ("KILLED", "FINISHED")
    assert points(found["training@dpo"], "loss") == [(1, 3.0), (2, 2.0)]


def test_a_corrected_clock_kills_no_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = ProcessIdentity.observe(psutil.Process())
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: 1.0)
    assert not owner.is_gone()
    assert owner == ProcessIdentity.observe(psutil.Process())


def another_process() -> ProcessIdentity:
    """A process that had the number of this one before."""
    return ProcessIdentity.observe(psutil.Process()).model_copy(update={"start": 1.0})


def test_a_record_that_ends_while_it_is_read_is_not_called_killed() -> None:
    before = StageRecord(stage="pairs", invocation=invocation(), owner=another_process())
    before.model_copy().end("FINISHED")
    assert before.ended is None
    assert with_end(before).status == "FINISHED"


def test_a_folder_without_a_record_is_none() -> None:
    (ended("pairs", invocation()).folder.parent / "empty").mkdir()
    send_records()
    assert waiting_records() == []


def test_a_killed_stage_and_a_killed_run_are_called_so() -> None:
    gone = another_process()
    run = invocation()
    RunRecord(id=run.id, invocation=run, started=STARTED, owner=gone).save()
    StageRecord(stage="training@sft", invocation=run, started=time.time()).save()
    send_records()
    assert runs() == {}, "a stage that runs is not sent, and a run without one has nothing to say"
    RunRecord(id=run.id, invocation=run, started=STARTED, owner=gone).save()
    end_killed("training@sft", run.id, "stage training@sft was killed (signal 9)")
    send_records()
    found = runs()
    assert {run.info.status for run in found.values()} == {"KILLED"}
    assert "signal 9" in found["training@sft"].data.tags["mlflow.note.content"]


def test_several_senders_record_everything_once() -> None:
    Server()
    for number in range(6):
        ended(f"training@{number}", invocation(), metrics={"loss": 1.0})
    # Processes of their own, as users have them: a fork would share the tests' threads and open data base.
    command = [sys.executable, "-c", "from tasks.mlflow.runs import send_records; send_records()"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    senders = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for sender in senders:
        _, said = sender.communicate()
        assert sender.returncode == 0, said
        assert "warning" not in said
    assert len(runs()) == 7
    assert record_folders() == []


def test_the_experiment_opens_with_the_columns_that_matter() -> None:
    import mlflow

    tags = mlflow.get_experiment(Server().experiment_id).tags
    view = json.loads(tags["mlflow.sharedViewState.iterpref"])
    assert view["selectedColumns"] == view["columnOrder"]
    named = {column.partition(".")[2].strip("`") for column in view["selectedColumns"]}
    assert named == {"objective", "alpha", "beta", "data", "commit", "dirty", "best/heldout/pass_at_1"}
    assert "viewStateShareKey=iterpref" in tags["mlflow.note.content"]


@pytest.mark.parametrize("name", ["a@b", "+", "a//b", "../x", "/x", "x/", ".", "ä#", "a" * 300])
def test_mlflow_takes_every_name(name: str) -> None:
    server = Server()
    run_id = server.open_run("key", "run", STARTED, {})
    server.log_metrics(run_id, {name: {0: 1.0}}, STARTED)
    server.log_params(run_id, {name: "x" * 7000})
    assert server.client.get_run(run_id).data.metrics == {safe_name(name): 1.0}
