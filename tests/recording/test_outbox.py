"""What is recorded reaches a tracking server that is away for a while: in order, once, and nothing is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from iterpref_core.config import load_params
from tasks.orchestration.services import answers, reserved_port
from tasks.recording import outbox as outboxes
from tasks.recording.dvc_graph import dvc_md5
from tasks.recording.outbox import AwayError, Outbox, OutboxItem, RefusedItemError, deliver_leftovers
from tasks.recording.stage_journal import open_journal, record_metrics
from tests.once import mlflow_tables
from tests.settings import ROOT


class Receiver:
    """Takes items, unless it is away."""

    def __init__(self) -> None:
        self.away = False
        self.got: list[str] = []

    def send(self, item: OutboxItem) -> None:
        if self.away:
            raise AwayError("nobody there")
        if item.value.get("bad"):
            raise RefusedItemError("bad")
        self.got.append(item.run)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "PAUSE_S", 0.0)


def item(number: int, **value: object) -> OutboxItem:
    return OutboxItem(kind="params", run=str(number), value=value)


def test_items_wait_for_the_server_and_keep_their_order(tmp_path: Path) -> None:
    receiver = Receiver()
    outbox = Outbox(tmp_path, "u", receiver.send)
    outbox.add(item(1))
    receiver.away = True
    outbox.add(item(2))
    outbox.add(item(3))
    assert receiver.got == ["1"]
    receiver.away = False
    outbox.add(item(4))
    assert receiver.got == ["1", "2", "3", "4"]
    assert outbox.close() == 0
    assert not list(tmp_path.iterdir())


def test_the_next_process_delivers_what_is_left_for_the_same_server(tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.away = True
    (tmp_path / "report.html").write_text("whole", encoding="utf-8")
    outbox = Outbox(tmp_path / "outbox", "u", receiver.send)
    kept = outbox.keep(tmp_path / "report.html")
    (tmp_path / "report.html").write_text("another", encoding="utf-8")
    for number in range(3):
        outbox.add(item(number))
    deliver_leftovers(tmp_path / "outbox", "u", receiver.send)
    assert outbox.close() == 3
    receiver.away = False
    deliver_leftovers(tmp_path / "outbox", "another server", receiver.send)
    assert receiver.got == []
    assert kept.read_text(encoding="utf-8") == "whole", "the file as it was when it was recorded"
    deliver_leftovers(tmp_path / "outbox", "u", receiver.send)
    assert receiver.got == ["0", "1", "2"]
    assert not list((tmp_path / "outbox").iterdir())


def test_what_a_server_refuses_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    receiver = Receiver()
    outbox = Outbox(tmp_path, "u", receiver.send)
    outbox.add(item(1, bad=True))
    outbox.add(item(2))
    assert outbox.close() == 0
    assert receiver.got == ["2"]


def test_an_outbox_in_use_is_left_to_its_owner(tmp_path: Path) -> None:
    away, receiver = Receiver(), Receiver()
    away.away = True
    outbox = Outbox(tmp_path, "u", away.send)
    outbox.add(item(1))
    deliver_leftovers(tmp_path, "u", receiver.send)
    assert receiver.got == []
    assert outbox.close() == 1


def test_a_line_cut_by_a_kill_is_left_out(tmp_path: Path) -> None:
    receiver = Receiver()
    lines = [json.dumps({"uri": "u"}), item(1).model_dump_json(), item(2).model_dump_json()[:-9]]
    (tmp_path / "1.jsonl").write_text("\n".join(lines), encoding="utf-8")
    deliver_leftovers(tmp_path, "u", receiver.send)
    assert receiver.got == ["1"]


@contextmanager
def serving(folder: Path, port: int) -> Iterator[None]:
    """An MLflow server on a data base in a folder."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port)]
    own = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("ab") as log:
        child = subprocess.Popen(
            [*command, "--workers", "1"], env=os.environ | own, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert child.poll() is None, (folder / "server.log").read_text(encoding="utf-8")
            time.sleep(0.1)
        yield
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def test_the_password_of_a_tracking_server_is_not_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tasks.recording.tracking import Tracker

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:hunter2@127.0.0.1:9")  # nobody listens on port 9
    tracker = Tracker()
    tracker.find_experiment(load_params(ROOT / "params.yaml"))
    tracker.close()
    written = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    assert [text for text in written if "127.0.0.1:9" in text], "the server is named"
    assert "127.0.0.1:9" in caplog.text
    assert not [text for text in [*written, caplog.text] if "hunter2" in text]


@pytest.fixture
def port() -> Iterator[int]:
    """Where nobody serves until the test does."""
    with reserved_port() as port:
        yield port


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_tracking_server_that_is_away_costs_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    from tasks.common.stage_body import run_body
    from tasks.recording.dvc_graph import Stage
    from tasks.recording.tracking import StageRun, Tracker

    monkeypatch.chdir(tmp_path)
    shutil.copy2(mlflow_tables(tmp_path_factory), tmp_path / "server.db")
    uri = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "index.html").write_text("first", encoding="utf-8")
    (tmp_path / "models" / "student").mkdir(parents=True)
    (tmp_path / "models" / "student" / "weights").write_text("w", encoding="utf-8")
    digest = dvc_md5(Path("models/student"))
    summary = {
        "models": {"base": {"heldout": {"pass_at_1": 0.5}}},
        "provenance": {"inputs": {"models/student": digest}},
    }
    (tmp_path / "reports" / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    params = load_params(ROOT / "params.yaml")
    stage = Stage("report", (), (), ("models/student", "reports"), ("training.beta",))

    tracker = Tracker()  # nobody there yet
    experiment = tracker.start_experiment(params)
    run = StageRun(tracker, stage, experiment, params)
    journal = open_journal("report")
    with serving(tmp_path, port):
        for step in range(3):
            record_metrics({"loss": 1.0 / (step + 1)}, step)
            run.follow()
    for step in range(3, 6):  # it is gone again
        record_metrics({"loss": 1.0 / (step + 1)}, step)
        run.follow()
    journal.close(0)
    run_body("report", lambda: {"pairs": 3.0})
    run.finish("FINISHED")
    tracker.end_experiment(experiment, "FINISHED", {"run/total_s": 1.0})
    (tmp_path / "reports" / "index.html").write_text("second", encoding="utf-8")

    with serving(tmp_path, port):
        Tracker().close()
        client = MlflowClient(uri)
        found = client.search_runs([client.get_experiment_by_name("iterpref").experiment_id])
        (nested,) = [one for one in found if one.info.run_name == "report"]
        (whole,) = [one for one in found if one is not nested]
        assert {one.info.status for one in found} == {"FINISHED"}
        assert nested.data.tags["mlflow.parentRunId"] == whole.info.run_id
        history = client.get_metric_history(nested.info.run_id, "loss")
        assert [point.step for point in history] == list(range(6))
        assert whole.data.metrics["report/pairs"] == 3.0
        assert len(whole.data.params) > 100
        base = client.get_model_version_by_alias("iterpref", "base")
        assert base.tags == {"dvc.path": "models/student", "dvc.md5": digest, "heldout/pass_at_1": "0.5"}
        report = mlflow.artifacts.download_artifacts(
            f"runs:/{nested.info.run_id}/reports/index.html", dst_path=str(tmp_path / "got")
        )
        assert Path(report).read_text(encoding="utf-8") == "first"
    assert not list((tmp_path / ".iterpref" / "outbox").iterdir())
