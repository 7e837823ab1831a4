"""`kill -9` of orchestrator, stage and server: the next `iterpref run` goes on, and nothing finished runs again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml

from tests.pipeline.conftest import ITERPREF, PATIENCE_S, Checkout
from tests.settings import ROOT

pytestmark = pytest.mark.faults

STAGES = {
    "first": {"cmd": "echo first >> ran; echo 1 > first", "outs": ["first"]},
    "slow": {"cmd": "echo slow >> ran; sh wait.sh; echo 2 > slow", "deps": ["first"], "outs": ["slow"]},
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
    checkout.environment["PYTHONPATH"] = str(ROOT)
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
    assert "2 unchanged" in toy.iterpref("run")


def test_a_killed_orchestrator_takes_its_stage_along(toy: Checkout) -> None:
    run = started(toy)
    dvc = descendant(run, "dvc --wait-for-lock")
    server = descendant(run, "prefect server")
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    for process in (dvc, server):
        wait_for(lambda process=process: not process.is_running() or process.status() == "zombie", toy)  # type: ignore[misc]
    goes_on(toy)


def test_a_killed_stage_is_called_what_it_is(toy: Checkout) -> None:
    run = started(toy)
    descendant(run, "wait.sh").parent().kill()  # type: ignore[union-attr]
    assert run.wait(PATIENCE_S) == 1
    assert "error: stage slow was killed (signal 9)" in toy.output()
    goes_on(toy)


def test_a_killed_server_ends_the_run_with_one_message(toy: Checkout) -> None:
    run = started(toy)
    toy.environment["PREFECT_CLIENT_MAX_RETRIES"] = "0"
    descendant(run, "prefect server").kill()
    (toy.path / "block").unlink()
    assert run.wait(PATIENCE_S) == 1
    assert "finished stages are kept: run again" in toy.output()
    toy.iterpref("run")
    assert (toy.path / "ran").read_text(encoding="utf-8").split()[:2] == ["first", "slow"]


def test_a_second_run_is_refused_and_ctrl_c_loses_nothing(toy: Checkout) -> None:
    run = started(toy)
    other = Checkout(toy.path)
    refused = subprocess.run(
        [sys.executable, "-m", "iterpref_core.cli", "run"], cwd=toy.path, env=toy.environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (refused.returncode, f"process {run.pid} already runs the experiment here" in refused.stderr) == (2, True)
    os.kill(run.pid, signal.SIGINT)
    assert run.wait(PATIENCE_S) == 130
    assert "what was finished is kept, and the same command continues" in other.output()
    goes_on(toy)
