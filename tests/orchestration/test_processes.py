"""Children end with all that they started, and what a killed run left behind ends with the next one."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tasks.orchestration import processes

# A child with a grandchild in its group and another in a session of its own, as a sandbox has.
FAMILY = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
children = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)]
print(*[child.pid for child in children], flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_registry", lambda: tmp_path)


def start_family() -> tuple[subprocess.Popen[bytes], list[int]]:
    child = processes.start([sys.executable, "-c", FAMILY], os.environ)
    assert child.stdout is not None
    return child, [int(pid) for pid in child.stdout.readline().split()]


def ended(pid: int) -> bool:
    """Wait until it has; a process that does not makes the test too long."""
    with suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)
    return True


def close(child: subprocess.Popen[bytes]) -> None:
    assert child.stdout is not None
    child.stdout.close()


def test_a_stage_ends_with_its_whole_family() -> None:
    child, grandchildren = start_family()
    processes.end_stages()
    assert child.returncode < 0, "a child that was ended did not end well"
    assert all(ended(pid) for pid in grandchildren)
    close(child)


def test_a_service_outlives_the_stages() -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    service = processes.start(sleep, os.environ, subprocess.DEVNULL, service=True)
    processes.end_stages()
    assert service.poll() is None
    processes.end(service)
    assert service.returncode is not None


def test_the_next_run_ends_what_a_killed_one_left(tmp_path: Path) -> None:
    child, grandchildren = start_family()
    (registry,) = tmp_path.glob("*.json")
    left = json.loads(registry.read_text(encoding="utf-8"))
    left["owner"] = {"pid": left["owner"]["pid"], "started": 0.0}  # a process of that id, but not the one that wrote
    registry.write_text(json.dumps(left), encoding="utf-8")
    assert processes.end_leftovers() == 1
    assert all(ended(pid) for pid in [child.pid, *grandchildren])
    processes.end(child)
    close(child)


def test_a_reused_process_id_is_left_alone(tmp_path: Path) -> None:
    child, _ = start_family()
    (registry,) = tmp_path.glob("*.json")
    left = json.loads(registry.read_text(encoding="utf-8"))
    left["owner"]["started"] = 0.0
    left["children"][0]["started"] = 0.0
    registry.write_text(json.dumps(left), encoding="utf-8")
    assert processes.end_leftovers() == 0
    assert child.poll() is None
    processes.end(child)
    close(child)


def test_a_run_that_lives_keeps_its_children() -> None:
    child, _ = start_family()
    assert processes.end_leftovers() == 0
    assert child.poll() is None
    processes.end(child)
    close(child)
