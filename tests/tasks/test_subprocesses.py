"""A child ends with the process that started it, however that ends, and with its whole group."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks import subprocesses
from tests.settings import ROOT

START = """
import os, subprocess, sys, time
from tasks import subprocesses
started = subprocesses.start([sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"], os.environ)
assert next(subprocesses.read_lines(started)) == "1"
print(started.pid, flush=True)
time.sleep(60)
"""


def runs(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(pid):
    deadline = time.monotonic() + 30
    while runs(pid):
        assert time.monotonic() < deadline, "the child lives on as an orphan"
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells a process that its parent ended")
def test_a_killed_parent_takes_its_child_along():
    with subprocess.Popen([sys.executable, "-c", START], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert runs(pid)
        os.kill(parent.pid, signal.SIGKILL)
    wait_until_gone(pid)


def test_what_a_killed_child_left_behind_does_not_hold_its_output_open():
    started = subprocesses.start(["sh", "-c", "sleep 60 & echo $!; kill -9 $$"], os.environ)
    began = time.monotonic()
    [inner] = list(subprocesses.read_lines(started))
    assert time.monotonic() - began < 30
    subprocesses.end(started)
    started.stdout.close()
    wait_until_gone(int(inner))


def test_a_group_ends_with_all_that_is_in_it_and_bars_leave_their_last_state():
    program = "sh -c 'sleep 60' & echo $!; printf '  1%%\\r 50%%\\r100%%\\n'; wait"
    started = subprocesses.start(["sh", "-c", program], os.environ)
    lines = subprocesses.read_lines(started)
    inner = int(next(lines))
    assert next(lines) == "100%"
    subprocesses.end(started)
    started.stdout.close()
    wait_until_gone(inner)
    assert started.returncode == -signal.SIGTERM
