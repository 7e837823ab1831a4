"""A run with other values leaves the user's files alone, and has all that is in the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from iterpref_core.config import load_params
from iterpref_core.errors import ConfigError, InputError
from tasks.profiles import write_values
from tasks.worktree import entered_worktree, home, set_objectives
from tests.settings import ROOT

STAGE = {"cmd": "cat params.yaml new.txt > out", "deps": ["new.txt"], "params": ["training.beta"], "outs": ["out"]}


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a commit, DVC, one stage that has run, a change and a new file."""
    folder = tmp_path / "check out"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    for name, value in {"NAME": "a", "EMAIL": "a@b"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    run("git", "init", "--quiet")
    run(sys.executable, "-m", "dvc", "init", "--quiet")
    shutil.copy2(ROOT / "params.yaml", "params.yaml")
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"only": STAGE}}), encoding="utf-8")
    Path(".gitignore").write_text(".iterpref/\nout\n", encoding="utf-8")
    run("git", "add", ".")
    run("git", "commit", "--quiet", "--message", "begin")
    Path("new.txt").write_text("new\n", encoding="utf-8")
    text = Path("params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace("epochs: 3 #", "epochs: 4 #"), encoding="utf-8")
    run(sys.executable, "-m", "dvc", "repro", "--quiet")
    return folder


def test_values_are_written_in_the_worktree_alone(checkout: Path) -> None:
    before = {path: path.read_bytes() for path in map(Path, ("params.yaml", "dvc.yaml", "dvc.lock", "new.txt"))}
    status = run("git", "status", "--porcelain")
    with entered_worktree("other") as folder:
        assert Path.cwd() == folder != checkout
        assert home() == checkout
        assert (Path("new.txt").read_text(encoding="utf-8"), load_params().training.epochs) == ("new\n", 4)
        assert Path("out").is_file(), "what was computed is there"
        write_values({"training.beta": 0.3, "evaluation.benchmarks": ("heldout",)})
        assert load_params().training.beta == 0.3
        assert "# paper: 0.1" in Path("params.yaml").read_text(encoding="utf-8"), "comments stay"
        run(sys.executable, "-m", "dvc", "repro", "--quiet")
        assert "beta: 0.3" in Path("out").read_text(encoding="utf-8")
        with pytest.raises(ConfigError, match="betta"):
            write_values({"training.betta": 0.3})
    assert (Path.cwd(), "DVC_ROOT" in os.environ) == (checkout, False)
    assert before == {path: path.read_bytes() for path in before}
    assert status == run("git", "status", "--porcelain")
    assert "beta: 0.1" in Path("out").read_text(encoding="utf-8")


def test_a_worktree_follows_the_checkout(checkout: Path) -> None:
    with entered_worktree("other"):
        Path("new.txt").write_text("changed here", encoding="utf-8")
    Path("new.txt").rename("newer.txt")
    with entered_worktree("other"):
        assert not Path("new.txt").exists()
        assert Path("newer.txt").read_text(encoding="utf-8") == "new\n"


def test_a_folder_without_a_commit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("git", "init", "--quiet")
    with pytest.raises(InputError, match="git commit"), entered_worktree("x"):
        pass


def test_other_objectives_are_trained_and_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy2(ROOT / "dvc.yaml", ".")
    set_objectives(["sft", "hybrid-rpo"])
    content = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))
    trained, evaluated = (content["stages"][name]["foreach"] for name in ("training", "evaluation"))
    assert trained == {"sft": "training.objectives.sft", "hybrid-rpo": "training.beta"}
    assert set(evaluated) == {"base", "debugger", "sft", "hybrid-rpo"}
    assert "target-dpo.curve" not in Path("dvc.yaml").read_text(encoding="utf-8")
