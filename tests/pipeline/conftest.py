"""One tiny experiment in a copy of the working tree, shared by all tests of this folder."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir, closing, suppress
from pathlib import Path

import pytest
from dvc.repo import Repo

from tasks.orchestration.profiles import apply_profile
from tests.flows.conftest import iterpref
from tests.once import copy_workspace, made_once
from tests.settings import ROOT

__all__ = ["iterpref"]

PATIENCE_S = 900
"""On two quiet cores the longest command takes two minutes; a machine that others use may need many times as long."""


class Workspace:
    """A repository of its own, and its commands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "MLFLOW", "ITERPREF", "DVC"))}
        self.environment = keep | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PREFECT_HOME": os.environ["PREFECT_HOME"],
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, its output and errors together; one that takes too long ends its own children."""
        with subprocess.Popen(
            command, cwd=self.path, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as child:
            try:
                output, _ = child.communicate(timeout=PATIENCE_S)
            except BaseException:
                child.terminate()
                raise
        return subprocess.CompletedProcess(command, child.returncode, output)

    def dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a DVC command."""
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def must(self, program: str, *arguments: str) -> str:
        """Run a command that must succeed; returns its output."""
        done = self.dvc(*arguments) if program == "dvc" else self.run(program, *arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def iterpref(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb of the command line."""
        return self.run(sys.executable, "-m", "flows.cli", *arguments)

    def stale(self) -> set[str]:
        """The stages of which `dvc status` says that something has changed."""
        with chdir(self.path), Repo() as repo:  # it names stages of another folder by their path
            return set(repo.status())

    def kill_when(self, stage: str, ready: Callable[[], bool]) -> str:
        """Start `dvc repro STAGE`, and `kill -9` DVC and all its children once something is so; returns the output."""
        log = self.path / "killed.log"
        with log.open("w", encoding="utf-8") as output:
            command = [sys.executable, "-m", "dvc", "repro", stage]
            child = subprocess.Popen(
                command, cwd=self.path, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )
            deadline = time.monotonic() + PATIENCE_S
            while not ready():
                assert child.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline, f"{stage} took too long:\n{log.read_text(encoding='utf-8')}"
                time.sleep(0.05)
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        return log.read_text(encoding="utf-8")

    def set_param(self, old: str, new: str) -> None:
        """Replace a piece of params.yaml that stands in it once."""
        path = self.path / "params.yaml"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in params.yaml"
        path.write_text(text.replace(old, new), encoding="utf-8")


def copy_tree(target: Path, profile: str = "tiny") -> Workspace:
    """Tracked and new files, without what git ignores, as a fresh repository with a profile's values."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and name != "dvc.lock":
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    workspace = Workspace(target)
    assert workspace.run("git", "init", "--quiet").returncode == 0
    apply_profile(profile, target / "params.yaml", target / "profiles")
    return workspace


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which nothing has run."""
    return copy_tree(tmp_path_factory.mktemp("fresh"))


def finished_trajectories(journals: Path) -> list[str]:
    """What is in CodeFlow's work file, from a copy: a run that is under way has the file locked."""
    with tempfile.TemporaryDirectory() as folder:
        for file in journals.glob("*.sqlite*"):
            shutil.copy(file, folder)
        for file in Path(folder).glob("*.sqlite"):
            with closing(sqlite3.connect(file)) as data, suppress(sqlite3.OperationalError):  # not even a table yet
                entries = data.execute("SELECT value FROM entries WHERE key != x''")
                return [json.loads(value)[0] for (value,) in entries]
    return []


def has_finished(journals: Path, count: int) -> bool:
    """Whether a run that is under way has finished as many; no, where its files changed while they were copied."""
    try:
        return len(finished_trajectories(journals)) >= count
    except (FileNotFoundError, sqlite3.DatabaseError):
        return False


@pytest.fixture(scope="session")
def completed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which codeflow was killed, and then the whole experiment ran; to be copied."""

    def make(path: Path) -> None:
        workspace = copy_tree(path)
        journals = path / ".iterpref" / "work" / "codeflow"
        workspace.kill_when("codeflow", lambda: has_finished(journals, 5))
        found = finished_trajectories(journals)
        (path / ".iterpref" / "when-killed.jsonl").write_text("".join(f"{line}\n" for line in found), "utf-8")
        done = workspace.iterpref("run")
        assert done.returncode == 0, done.stdout
        (path / ".iterpref" / "run.log").write_text(done.stdout, encoding="utf-8")

    return made_once(tmp_path_factory, "experiment", make)


@pytest.fixture(scope="module")
def experiment(completed: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The finished experiment, in a workspace of these tests' own."""
    path = tmp_path_factory.mktemp("experiment") / "workspace"
    copy_workspace(completed, path)
    return Workspace(path)
