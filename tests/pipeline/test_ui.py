"""`iterpref ui`: its pages know of killed runs, start runs, and leave nothing when they are interrupted."""

import os
import re
import signal
import time
from contextlib import chdir
from datetime import UTC, datetime

import httpx
import psutil
import pytest

from tasks.lock import only_run
from tasks.prefect.server import PASSWORD
from tests.dvc_repository import reproduce
from tests.pipeline.conftest import PATIENCE_S, descendant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_a_killed_run_does_not_stay_running_and_ctrl_c_ends_all_that_the_pages_started(toy):
    _a_killed_run_takes_its_stage_along(toy)
    ui = toy.start_ui()
    prefect = (toy.path / ".iterpref/prefect.url").read_text()
    password = (toy.path / PASSWORD).read_text(encoding="ascii")
    _nobody_starts_runs_without_the_password(prefect, password)
    # From here on, all requests of this test have it.
    scheme, _, place = prefect.partition("://")
    prefect = f"{scheme}://{password}@{place}"
    page = re.search(
        r"MLflow   http://(\w+\.localhost:(\d+))(/#/experiments/\d+/runs\?compareRunsMode=CHART)", toy.output()
    )
    _nobody_uses_mlflow_without_its_name(page[1], f"http://127.0.0.1:{page[2]}")
    for name in ("mlflow.url", "prefect.url", "prefect.password", "logs", "prefect"):
        assert (toy.path / ".iterpref" / name).stat().st_mode & 0o077 == 0, name
    assert _states(prefect) == [], "a run without a server is on no page"

    run = toy.start_run()
    toy.wait_for(lambda: "Running" in _states(prefect), pause_s=1)
    run.kill()
    run.wait()
    killed = time.monotonic()
    toy.wait_for(lambda: _states(prefect) == ["Crashed"], pause_s=2)
    assert time.monotonic() - killed < 600, "a minute where nothing else runs; by Prefect's own settings never"

    toy.wait_for(lambda: len(_deployments(prefect)) == 2, pause_s=1)
    deployments = _deployments(prefect)
    assert set(deployments) == {"experiment-ui", "sweep-ui"}
    create = f"deployments/{deployments['experiment-ui']}/create_flow_run"
    refused = _ask(prefect, create, {"parameters": {"jobs": 0}})
    assert (refused.status_code, "field 'jobs'" in refused.text) == (409, True)
    # A schedule as the page makes it: one run a minute. The first one is at work until the pages end.
    anchor = datetime.now(UTC).isoformat()
    schedule = [{"active": True, "schedule": {"interval": 60, "anchor_date": anchor, "timezone": "UTC"}}]
    assert _ask(prefect, f"deployments/{deployments['experiment-ui']}/schedules", schedule).status_code == 201
    toy.wait_for(lambda: toy.ran() == ["first", "slow", "slow", "slow"])
    left = psutil.Process(ui.pid).children(recursive=True)
    os.kill(ui.pid, signal.SIGINT)
    assert ui.wait(PATIENCE_S) == 0
    assert psutil.wait_procs(left, PATIENCE_S)[1] == []
    assert "Traceback" not in toy.output()

    (toy.path / "block").unlink()
    with chdir(toy.path), only_run():
        reproduce()
    assert toy.ran() == ["first", *["slow"] * 4], "what the page started goes on from here, and holds no lock"


def _nobody_uses_mlflow_without_its_name(name, address):
    """Neither another user of this machine, who could have the assistant run commands, nor a page of a rebound name."""
    assert httpx.get(address, headers={"Host": name}).status_code == 200
    api = f"{address}/ajax-api"
    for host in ("127.0.0.1:5000", "localhost:5000", "10.evil.example", "192.168.evil.example", "evil.localhost", ""):
        asked = [
            httpx.put(f"{api}/3.0/mlflow/assistant/config", json={"providers": {}}, headers={"Host": host}),
            httpx.post(f"{api}/3.0/mlflow/assistant/message", json={"message": "go"}, headers={"Host": host}),
            httpx.get(f"{api}/3.0/mlflow/assistant/sessions/1/stream", headers={"Host": host}),
            httpx.post(f"{api}/2.0/mlflow/experiments/create", json={"name": "x"}, headers={"Host": host}),
            httpx.get(f"{address}/api/2.0/mlflow/experiments/search?max_results=9", headers={"Host": host}),
            httpx.get(f"{address}/get-artifact?path=x&run_uuid=1", headers={"Host": host}),
            httpx.get(address, headers={"Host": host}),
        ]
        assert {answer.status_code for answer in asked} <= {400, 403}, host


def _nobody_starts_runs_without_the_password(prefect, password):
    """Neither another user of this machine nor a page that the user visits, under its own name or a rebound one."""
    foreign = {"Origin": "https://evil.example"}
    for headers in ({}, foreign, {"Host": "evil.example:4200"}, {"Authorization": "Basic aXRlcnByZWY6"}):
        assert httpx.post(f"{prefect}/deployments/filter", json={}, headers=headers).status_code == 401, headers
    asked = httpx.options(f"{prefect}/deployments/x", headers=foreign | {"Access-Control-Request-Method": "PATCH"})
    assert asked.status_code == 400
    read = httpx.post(f"{prefect}/flows/filter", json={}, headers=foreign, auth=tuple(password.split(":")))
    assert (read.status_code, read.headers.get("Access-Control-Allow-Origin")) == (200, None), "no page can read it"


def _a_killed_run_takes_its_stage_along(toy):
    run = toy.start_run()
    dvc = descendant(run, "dvc --wait-for-lock")
    run.kill()
    run.wait()
    # Reaped, too: to DVC a zombie still holds its locks.
    toy.wait_for(lambda: not dvc.is_running())


def _states(prefect):
    return sorted(run["state_name"] for run in _ask(prefect, "flow_runs/filter", {}).json())


def _deployments(prefect):
    """Name → id of the deployments."""
    return {found["name"]: found["id"] for found in _ask(prefect, "deployments/filter", {}).json()}


def _ask(prefect, what, body):
    return httpx.post(f"{prefect}/{what}", json=body, timeout=60)
