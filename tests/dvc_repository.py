"""DVC in this process: the start of its command takes most of a second, and most tests only need what it makes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.settings import ROOT
from tests.texts import write_files


def init_dvc(*, no_scm=False):
    """Make the present folder a DVC repository with the files of `dvc init`, which takes ten times as long."""
    Path(".dvc/tmp").mkdir(parents=True)
    Path(".dvc/config").write_text("[core]\n    no_scm = True\n" if no_scm else "")
    Path(".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    Path(".dvcignore").touch()


def git(*arguments, check=True, **options):
    """Run a command of git, whose author is made up, and return what it prints."""
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *map(str, arguments)]
    return subprocess.run(command, check=check, capture_output=True, text=True, **options).stdout.strip()


def commit(message):
    """Commit all files that git has, as they are."""
    git("commit", "--quiet", "--all", "--message", message)


def reproduce(*targets):
    """Bring stages of the present folder's graph up to date; all of them if none is named."""
    from dvc.repo import Repo

    with Repo() as repo:
        repo.reproduce(list(targets) or None)


@pytest.fixture
def toy_checkout(tmp_path, monkeypatch):
    """Make a folder with git, DVC, params.yaml and toy stages, all in one commit, and go there."""

    def make(stages, files=MappingProxyType({}), folder="checkout"):
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        monkeypatch.chdir(path)
        for name in ("DVC_ROOT", "ITERPREF_COMMAND", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_URI"):
            monkeypatch.delenv(name, raising=False)
        for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
            monkeypatch.setenv(name, "a@b")
        # Stages find the Python of the tests, and the code here.
        monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        shutil.copy2(ROOT / "params.yaml", path)
        write_files(path, {"dvc.yaml": json.dumps({"stages": dict(stages)}), **files})
        git("init", "--quiet", "--initial-branch", "main")
        init_dvc()
        git("add", ".")
        commit("toy")
        return path

    return make
