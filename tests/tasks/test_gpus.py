"""Cards: a stage takes one that no other process on this machine has, and gives it back however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.gpus import reserved_gpus, visible_gpus
from tests.settings import ROOT

STAGE = """
import os, sys, time
from pathlib import Path
from tasks.gpus import reserved_gpus
with reserved_gpus(every=sys.argv[2:] == ["every"]):
    Path(sys.argv[1]).write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
    while Path("block").exists():
        time.sleep(0.05)
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    Path("block").touch()


def start(name, *how, cards):
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": cards, "PYTHONPATH": str(ROOT)}
    with Path(f"{name}.said").open("wb") as said:
        return subprocess.Popen([sys.executable, "-c", STAGE, name, *how], env=environment, stdout=said)


def has(name):
    """Return the text of a process's file, such as its cards, as soon as there is some."""
    deadline = time.monotonic() + 60
    while not (Path(name).is_file() and Path(name).read_text()):
        assert time.monotonic() < deadline, name
        time.sleep(0.05)
    return Path(name).read_text()


def test_processes_that_do_not_know_of_each_other_have_a_card_each_and_the_third_waits():
    first, second = start("first", cards="3,5"), start("second", cards="3,5")
    assert {has("first"), has("second")} == {"3", "5"}
    third = start("third", cards="3,5")
    every = start("every", "every", cards="3,5")
    assert has("third.said") == "waiting for a GPU: other stages have 3, 5\n"
    assert not Path("third").exists()
    second.send_signal(signal.SIGKILL)  # the system gives its card back
    assert second.wait() == -signal.SIGKILL
    Path("block").unlink()
    assert [process.wait(60) for process in (first, third, every)] == [0, 0, 0]
    assert (has("third") in {"3", "5"}, has("every")) == (True, "3,5")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders to somebody else")
def test_a_folder_that_another_user_has_made_stops_no_stage(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    theirs = tmp_path / f"iterpref-locks-{os.getuid()}"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with reserved_gpus():
        assert list(theirs.iterdir()) == []
        other = start("other", cards="3,5")
        assert has("other") == "5", "both look into one folder"
        Path("block").unlink()
        assert other.wait(60) == 0


def test_the_cards_are_those_that_the_variable_leaves(monkeypatch):
    seen = {"": (), "-1": (), "2, 3": ("2", "3"), "0,-1,1": ("0",), "GPU-8f2a,MIG-1": ("GPU-8f2a", "MIG-1")}
    for value, cards in seen.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert visible_gpus() == cards
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with reserved_gpus(), reserved_gpus(every=True):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "", "nothing is waited for"
