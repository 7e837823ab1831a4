"""A webhook hears of a run that has failed, from a real Prefect server; of none that has not."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.notification import check_webhook
from iterpref_core.errors import InputError
from tasks.local_server import free_port
from tasks.prefect.server import prefect_server
from tests.http_server import serving
from tests.once import give_prefect_tables
from tests.settings import ROOT

PATIENCE_S = 300

PROGRAM = """
import sys
from prefect import flow, tags
from flows.notification import create_notification
from flows.prefect_session import TAG

names = {create_notification(sys.argv[1]), create_notification(sys.argv[1])}
assert len(names) == 1, names


@flow(name="experiment", flow_run_name="beta=0.3", retries=0)
def experiment(reason: str):
    if reason:
        raise ValueError(reason)


for tag, reason in (("theirs", "of others"), (TAG, ""), (TAG, sys.argv[2])):
    with tags(tag):
        try:
            experiment(reason)
        except ValueError:
            pass
"""
REASON = 'stage "pairs" failed\nline 2'


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_webhook_hears_of_failed_runs_of_this_project_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path)
    give_prefect_tables(tmp_path_factory, tmp_path)
    heard: list[tuple[str, dict[str, str]]] = []

    def hear(path: str, body: bytes) -> int:
        heard.append((path, json.loads(body)))
        return 200

    with serving(hear) as webhook, prefect_server(free_port(), pages=True) as url:
        environment = os.environ | {"PREFECT_API_URL": url, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", PROGRAM, f"{webhook}/services/s3cret", REASON]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert "s3cret" not in ended.stdout + ended.stderr
        deadline = time.monotonic() + PATIENCE_S
        while not heard and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(5)  # for those that should not come
    ((path, message),) = heard
    assert path == "/services/s3cret"
    assert message.keys() == {"text"}
    assert message["text"].startswith("beta=0.3 (experiment): ")
    assert REASON in message["text"]
    assert "/runs/flow-run/" in message["text"]
    assert b"s3cret" not in (tmp_path / ".iterpref/prefect/prefect.db").read_bytes(), "it is encrypted"


@pytest.mark.parametrize("url", ["", "hooks.example.org/s3cret", "file:///s3cret", "https:///s3cret"])
def test_what_is_no_webhook_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(InputError, match="--notify: not the address of a webhook") as refused:
        check_webhook(url)
    assert "s3cret" not in str(refused.value)
