"""`kill -9` of orchestrator, stage and server: the next `iterpref run` goes on, and nothing finished runs again."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from tests.pipeline.conftest import ITERPREF, PATIENCE_S, Checkout
from tests.settings import ROOT

pytestmark = pytest.mark.slow

STAGES = {
    "first": {"cmd": "echo first >> ran; echo 1 > first", "outs": ["first"]},
    "slow": {"cmd": "echo slow >> ran; sh wait.sh && echo 2 > slow", "deps": ["first"], "outs": ["slow"]},
}
WAIT = "while test -e block; do sleep 0.1; done"


@pytest.fixture
def toy(tmp_path: Path) -> Checkout:
    """Two stages; the second one waits as long as there is a file `block`."""
    checkout = Checkout(tmp_path)
    files = {"dvc.yaml": yaml.safe_dump({"stages": STAGES}), "wait.sh": WAIT, "block": ""}
    files |= {"params.yaml": (ROOT / "params.yaml").read_text(encoding="utf-8"), ".gitignore": "output.log\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    checkout.run("git", "init", "--quiet")
    checkout.dvc("init", "--quiet")
    checkout.environment |= {"PYTHONPATH": str(ROOT), "PREFECT_HOME": str(tmp_path / "prefect-of-the-user")}
    return checkout


def started(toy: Checkout) -> subprocess.Popen[str]:
    """`iterpref run`, once its second stage is at work."""
    run = toy.start(*ITERPREF, "run")
    ran = toy.path / "ran"
    wait_for(lambda: ran.exists() and "slow" in ran.read_text(encoding="utf-8"), toy)
    return run


def wait_for(so: Callable[[], bool], toy: Checkout) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not so():
        assert time.monotonic() < deadline, toy.output()
        time.sleep(0.1)


def descendant(run: subprocess.Popen[str], words: str) -> psutil.Process:
    for process in psutil.Process(run.pid).children(recursive=True):
        if words in " ".join(process.cmdline()):
            return process
    raise AssertionError(f"no process of {words}")


def goes_on(toy: Checkout) -> None:
    """The next run finishes, and runs nothing again that was finished."""
    (toy.path / "block").unlink()
    toy.iterpref("run")
    assert (toy.path / "ran").read_text(encoding="utf-8").split() == ["first", "slow", "slow"]


def test_a_killed_orchestrator_takes_its_stage_along(toy: Checkout) -> None:
    run = started(toy)
    dvc = descendant(run, "dvc --wait-for-lock")
    server = descendant(run, "prefect server")
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    for process in (dvc, server):
        # Reaped, too: to DVC a zombie still holds its locks.
        wait_for(lambda process=process: not process.is_running(), toy)  # type: ignore[misc]
    goes_on(toy)
    assert "2 unchanged" in toy.iterpref("run")


def test_a_killed_stage_is_called_what_it_is(toy: Checkout) -> None:
    run = started(toy)
    descendant(run, "wait.sh").parent().kill()  # type: ignore[union-attr]
    assert run.wait(PATIENCE_S) == 1
    assert "error: stage slow was killed (signal 9)" in toy.output()
    goes_on(toy)


def test_a_mistake_ends_with_its_line_and_without_a_traceback(toy: Checkout) -> None:
    (toy.path / "wait.sh").write_text('echo "error: slow has no input" >&2; exit 2', encoding="utf-8")
    lines = toy.iterpref("run", code=2).splitlines()
    assert lines[-1] == "error: stage slow: slow has no input"
    began = next(number for number, line in enumerate(lines) if "Running stage 'slow'" in line)
    assert len(lines) - began <= 12, lines
    assert toy.iterpref("run", "--set", "training.betta=1", code=2).count("\n") == 1


def test_a_killed_server_ends_the_run_with_one_message(toy: Checkout) -> None:
    toy.environment["PREFECT_CLIENT_MAX_RETRIES"] = "0"
    run = started(toy)
    descendant(run, "prefect server").kill()
    (toy.path / "block").unlink()
    assert run.wait(PATIENCE_S) == 1
    assert "finished stages are kept: run again" in toy.output()
    toy.iterpref("run")
    assert (toy.path / "ran").read_text(encoding="utf-8").split()[:2] == ["first", "slow"]


def test_a_second_run_is_refused_and_ctrl_c_loses_nothing(toy: Checkout) -> None:
    run = started(toy)
    refused = subprocess.run(
        [*ITERPREF, "run"], cwd=toy.path, env=toy.environment, capture_output=True, text=True, check=False
    )
    assert (refused.returncode, f"process {run.pid} already runs the experiment here" in refused.stderr) == (2, True)
    os.kill(run.pid, signal.SIGINT)
    assert run.wait(PATIENCE_S) == 130
    assert "what was finished is kept, and the same command continues" in toy.output()
    goes_on(toy)


@pytest.mark.timeout(900)
def test_a_killed_run_does_not_stay_running_on_the_pages(toy: Checkout) -> None:
    """Neither one that was killed while there was no server, nor one that is killed now."""
    run = started(toy)
    run.kill()
    run.wait()
    (toy.path / "ran").unlink()
    ui = toy.start(*ITERPREF, "ui")
    try:
        wait_for(lambda: "Ctrl-C stops both" in toy.output(), toy)
        prefect = json.loads((toy.path / ".iterpref/ui.json").read_text(encoding="utf-8"))["prefect"]
        assert states(prefect) == ["Crashed"]
        run = started(toy)
        wait_for(lambda: "Running" in states(prefect), toy)
        run.kill()
        run.wait()
        killed = time.monotonic()
        wait_for(lambda: states(prefect) == ["Crashed", "Crashed"], toy)
        assert time.monotonic() - killed < 600, "a minute where nothing else runs; by Prefect's own settings never"
    finally:
        os.kill(ui.pid, signal.SIGINT)
        ui.wait(PATIENCE_S)


def states(prefect: str) -> list[str]:
    return sorted(run["state_name"] for run in ask(prefect, "flow_runs/filter", {}).json())


@pytest.mark.timeout(900)
def test_ui_serves_both_pages_and_interrupted_leaves_nothing(toy: Checkout) -> None:
    """Even while a run that was started on its page is at work."""
    ui = toy.start(*ITERPREF, "ui")
    wait_for(lambda: "Ctrl-C stops both" in toy.output(), toy)
    pages = json.loads((toy.path / ".iterpref/ui.json").read_text(encoding="utf-8"))
    prefect = pages["prefect"]
    assert [httpx.get(page).status_code for page in (prefect.removesuffix("/api"), pages["mlflow"])] == [200, 200]
    wait_for(lambda: len(listed(prefect)) == 2, toy)
    deployments = listed(prefect)
    assert set(deployments) == {"experiment", "sweep"}
    create = f"deployments/{deployments['experiment']}/create_flow_run"
    refused = ask(prefect, create, {"parameters": {"jobs": 0}})
    assert (refused.status_code, "field 'jobs'" in refused.text) == (409, True)
    assert ask(prefect, create, {"state": {"type": "SCHEDULED"}}).status_code == 201
    wait_for(lambda: (toy.path / "ran").exists() and "slow" in (toy.path / "ran").read_text(encoding="utf-8"), toy)
    left = psutil.Process(ui.pid).children(recursive=True)
    os.kill(ui.pid, signal.SIGINT)
    assert ui.wait(PATIENCE_S) == 0
    assert psutil.wait_procs(left, PATIENCE_S)[1] == []
    goes_on(toy)


def listed(prefect: str) -> dict[str, str]:
    """Name → id of the deployments."""
    return {found["name"]: found["id"] for found in ask(prefect, "deployments/filter", {}).json()}


def ask(prefect: str, what: str, body: dict[str, object]) -> httpx.Response:
    return httpx.post(f"{prefect}/{what}", json=body, timeout=60)
