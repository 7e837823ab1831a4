"""Processes that are killed, two at once, stale locks, a half-written cache: the next `dvc repro` comes to the same."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from tests.once import copy_workspace
from tests.pipeline.conftest import PATIENCE_S, Workspace

pytestmark = [pytest.mark.timeout(2400), pytest.mark.faults]

STAGE = "validity"
DEAD = 2**22 - 1
"""A process id that the kernel gives last, if ever."""


@pytest.fixture
def finished(completed: Path, tmp_path: Path) -> Workspace:
    """A copy of the finished experiment."""
    copy_workspace(completed, tmp_path / "workspace")
    return Workspace(tmp_path / "workspace")


def cached(workspace: Workspace, md5: str) -> Path:
    """An object of DVC's cache."""
    return workspace.path / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]


def start(workspace: Workspace) -> tuple["subprocess.Popen[bytes]", int]:
    """Force a stage through DVC; returns DVC's process and the stage's process id once that is at work."""
    command = [sys.executable, "-m", "dvc", "repro", "--force", "--single-item", STAGE]
    with (workspace.path / "first.log").open("wb") as log:
        dvc = subprocess.Popen(command, cwd=workspace.path, env=workspace.environment, stdout=log, stderr=log)
    named = workspace.path / ".iterpref" / "locks" / f"{STAGE}.pid"
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and dvc.poll() is None:
        children = {child.pid for child in psutil.Process(dvc.pid).children(recursive=True)}
        holder = named.read_text(encoding="ascii") if named.exists() else ""
        if holder and int(holder) in children:
            return dvc, int(holder)
        time.sleep(0.02)
    raise AssertionError((workspace.path / "first.log").read_text(encoding="utf-8"))


def comes_to_the_same(workspace: Workspace, lock: bytes) -> str:
    """Run a bare `dvc repro`: it must complete, and every hash be what it was; returns its output."""
    output = workspace.must("dvc", "repro")
    assert (workspace.path / "dvc.lock").read_bytes() == lock
    assert workspace.stale() == set()
    return output


@pytest.mark.parametrize("victim", ["stage", "dvc"])
def test_a_killed_process_costs_only_its_own_work(finished: Workspace, victim: str) -> None:
    lock = (finished.path / "dvc.lock").read_bytes()
    for out in yaml.safe_load(lock)["stages"][STAGE]["outs"]:
        cached(finished, out["md5"]).unlink()  # else DVC restores what an earlier run of the stage made
    dvc, stage = start(finished)
    os.kill(stage if victim == "stage" else dvc.pid, signal.SIGKILL)
    assert dvc.wait(PATIENCE_S) != 0
    output = comes_to_the_same(finished, lock)
    assert f"Running stage '{STAGE}'" in output


def test_the_second_of_two_says_who_holds_the_workspace(finished: Workspace) -> None:
    lock = (finished.path / "dvc.lock").read_bytes()
    dvc, _ = start(finished)
    second = finished.dvc("repro", "--single-item", STAGE)
    assert second.returncode != 0
    assert f"(PID {dvc.pid}): " in second.stdout
    assert dvc.wait(PATIENCE_S) == 0, "the first one is not disturbed"
    comes_to_the_same(finished, lock)


def test_a_stale_lock_is_removed(finished: Workspace) -> None:
    lock = (finished.path / "dvc.lock").read_bytes()
    held = {str(finished.path / "data" / "validity.jsonl"): {"pid": DEAD, "cmd": "dvc repro"}}
    state = finished.path / ".dvc" / "tmp"
    state.mkdir(exist_ok=True)
    (state / "rwlock").write_text(json.dumps({"write": held, "read": {}}), encoding="utf-8")
    (state / "lock").write_text(str(DEAD), encoding="ascii")
    (finished.path / "data" / "validity.jsonl").unlink()
    assert "had been killed" in comes_to_the_same(finished, lock)


def test_a_half_written_cache_file_is_not_taken_for_a_whole_one(finished: Workspace) -> None:
    """As `kill -9` leaves it: DVC makes a file of its cache read-only when it is whole."""
    lock = (finished.path / "dvc.lock").read_bytes()
    (out,) = yaml.safe_load(lock)["stages"]["localization"]["outs"][:1]
    path = cached(finished, out["md5"])
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole[: len(whole) // 2])
    (finished.path / out["path"]).unlink()
    comes_to_the_same(finished, lock)
    assert (finished.path / out["path"]).read_bytes() == whole


def test_a_stage_does_not_work_on_a_cache_file_that_was_cut_short(finished: Workspace) -> None:
    """As a crash of the machine may leave it: read-only, so that DVC takes it for whole."""
    lock = (finished.path / "dvc.lock").read_bytes()
    (out,) = yaml.safe_load(lock)["stages"]["localization"]["outs"][:1]
    path = cached(finished, out["md5"])
    half = path.read_bytes()[: out["size"] // 2]
    path.unlink()
    path.write_bytes(half)
    path.chmod(0o444)
    (finished.path / out["path"]).unlink()
    finished.must("dvc", "checkout", out["path"])
    assert (finished.path / out["path"]).read_bytes() == half
    refused = finished.dvc("repro", "--force", "--single-item", "training@dpo")
    assert refused.returncode != 0
    assert f"error: {out['path']}: DVC has it from {path}, which is not whole" in refused.stdout
    for name in (path, finished.path / out["path"]):
        name.unlink()
    comes_to_the_same(finished, lock)
