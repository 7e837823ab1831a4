"""A clone fetches what DVC's remote has, and only what the remote does not have is computed."""

import shutil
from pathlib import Path

import pytest

from iterpref_core.records.errors import InputError
from tasks.dvc.graph import load_graph, survey
from tasks.dvc.remote import pull_outputs
from tasks.dvc.reproduction import StageError
from tests.dvc_repository import init_dvc, reproduce

GRAPH = """
stages:
  one:
    cmd: echo 1 > one.txt && echo one >> LOG
    outs: [one.txt]
  two:
    cmd: cat one.txt one.txt > two.txt && echo two >> LOG
    deps: [one.txt]
    outs: [two.txt]
"""


CONFIG = """
[core]
    no_scm = True
    remote = store
['remote "store"']
    url = STORE
"""


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder: a clone of a repository whose results were pushed. LOG, beside both, has all that ran."""
    from dvc.repo import Repo

    first = tmp_path / "first"
    first.mkdir()
    monkeypatch.chdir(first)
    init_dvc(no_scm=True)
    (first / "dvc.yaml").write_text(GRAPH.replace("LOG", str(tmp_path / "log")))
    (first / ".dvc" / "config").write_text(CONFIG.replace("STORE", str(tmp_path / "store")))
    reproduce()
    with Repo() as repo:
        repo.push(run_cache=True)
    second = tmp_path / "second"
    second.mkdir()
    monkeypatch.chdir(second)
    init_dvc(no_scm=True)
    for name in ("dvc.yaml", "dvc.lock", ".dvc/config"):
        shutil.copy2(first / name, second / name)
    return second


def ran(clone: Path) -> list[str]:
    return (clone.parent / "log").read_text().split()


def test_a_clone_that_was_not_pulled_computes_nothing_that_the_remote_has(clone: Path) -> None:
    pull_outputs(["one", "two"])
    assert (clone / "two.txt").read_text() == "1\n1\n"
    reproduce()
    assert ran(clone) == ["one", "two"], "in the first folder"


def test_what_the_remote_lost_is_computed_and_what_is_edited_here_stays(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = clone.parent / "store" / "files"
    for path in files.rglob("*"):
        if path.is_file() and path.read_bytes() == b"1\n1\n":
            path.unlink()
    pull_outputs(["one", "two"])
    assert [path.name for path in sorted(clone.glob("*.txt"))] == ["one.txt"]
    assert "--pull: 1 files fetched; what the remote does not have is computed" in capsys.readouterr().err
    reproduce()
    assert ran(clone) == ["one", "two", "two"]
    (clone / "two.txt").write_text("by hand")
    with pytest.raises(
        StageError, match=r"(?s)two.txt; try `dvc pull`, whose options DVC means, or run without --pull"
    ):
        pull_outputs(["one", "two"])
    assert (clone / "two.txt").read_text() == "by hand"


def test_without_a_remote_nothing_is_fetched_and_the_command_says_so(clone: Path) -> None:
    (clone / ".dvc" / "config").write_text("[core]\n    no_scm = True\n")
    with pytest.raises(InputError, match="--pull: DVC has no remote; name one with `dvc remote add"):
        pull_outputs(["one"])


def test_problems_of_dvc_add_are_fetched_beside_the_stage_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage `problems` reads the folder `problems`, in which a user's own are."""
    from dvc.repo import Repo

    first = tmp_path / "first"
    (first / "problems").mkdir(parents=True)
    monkeypatch.chdir(first)
    init_dvc(no_scm=True)
    graph = "stages: {problems: {cmd: cat problems/*.jsonl > out, deps: [problems], outs: [out]}}"
    (first / "dvc.yaml").write_text(graph)
    (first / ".dvc/config").write_text(CONFIG.replace("STORE", str(tmp_path / "store")))
    (first / "problems/mine.jsonl").write_text("mine\n")
    with Repo() as repo:
        repo.add(["problems/mine.jsonl"])
    reproduce()
    with Repo() as repo:
        repo.push(run_cache=True)
    second = tmp_path / "second"
    (second / "problems").mkdir(parents=True)
    monkeypatch.chdir(second)
    init_dvc(no_scm=True)
    for name in ("dvc.yaml", "dvc.lock", ".dvc/config", "problems/mine.jsonl.dvc"):
        shutil.copy2(first / name, second / name)
    names = list(load_graph())
    assert sorted(names) == ["problems", "problems/mine.jsonl.dvc"]
    monkeypatch.chdir(first)
    assert list(load_graph(second)) == names, "a sweep looks at its worktrees from outside"
    monkeypatch.chdir(second)
    pull_outputs(names)
    assert (second / "problems/mine.jsonl").read_text() == "mine\n"
    assert survey().stale == set()
