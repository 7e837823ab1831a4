"""A clone fetches what DVC's remote has, and only what the remote does not have is computed."""

import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo

from iterpref_core.records import InputError
from tasks.dvc.commands import StageError
from tasks.dvc.graph import load_graph, survey
from tasks.dvc.remote import pull_outputs
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


def push_and_clone(tmp_path, monkeypatch, graph, *tracked):
    """Run a graph, push its results, and make the present folder a clone of it.

    Args:
        tmp_path: the folder of both.
        monkeypatch: goes there.
        graph: the content of dvc.yaml.
        tracked: files, which `dvc add` tracks.
    """
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        (folder / "problems").mkdir(parents=True)
        monkeypatch.chdir(folder)
        init_dvc(no_scm=True)
    monkeypatch.chdir(first)
    Path("dvc.yaml").write_text(graph.replace("LOG", str(tmp_path / "log")))
    Path(".dvc/config").write_text(CONFIG.replace("STORE", str(tmp_path / "store")))
    for name in tracked:
        Path(name).write_text("mine\n")
        with Repo() as repo:
            repo.add([name])
    reproduce()
    with Repo() as repo:
        repo.push(run_cache=True)
    for name in ("dvc.yaml", "dvc.lock", ".dvc/config", *(f"{name}.dvc" for name in tracked)):
        shutil.copy2(name, second / name)
    monkeypatch.chdir(second)
    return second


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """The present folder: a clone of a repository whose results were pushed. LOG, beside both, has all that ran."""
    return push_and_clone(tmp_path, monkeypatch, GRAPH)


def test_what_the_remote_lost_is_computed_and_what_is_edited_here_stays(clone, capsys):
    files = clone.parent / "store" / "files"
    for path in files.rglob("*"):
        if path.is_file() and path.read_bytes() == b"1\n1\n":
            path.unlink()
    pull_outputs(["one", "two"])
    assert [path.name for path in sorted(clone.glob("*.txt"))] == ["one.txt"]
    assert "--pull: 1 files fetched; what the remote does not have is computed" in capsys.readouterr().err
    reproduce()
    assert (clone.parent / "log").read_text().split() == ["one", "two", "two"]
    (clone / "two.txt").write_text("by hand")
    with pytest.raises(StageError, match=r"(?s)two.txt; mend that and try `dvc pull`, or run without --pull"):
        pull_outputs(["one", "two"])
    assert (clone / "two.txt").read_text() == "by hand"


AWAY = """s3://bucket/x
    access_key_id = a
    secret_access_key = b
    endpointurl = http://127.0.0.1:9"""


def test_no_remote_and_one_that_cannot_be_used_are_one_message(clone, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # it waits between them
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for remote, told in (
        ("s3://bucket/x", "Unable to locate credentials"),
        (AWAY, "Could not connect to the endpoint"),
        ("ssh://127.0.0.1/x", "requires 'dvc-ssh' to be installed"),
    ):
        Path(".dvc/config").write_text(CONFIG.replace("STORE", remote))
        with pytest.raises(StageError, match=f"--pull: .*{told}.*; mend that and try `dvc pull`"):
            pull_outputs(["one"])
    Path(".dvc/config").write_text("[core]\n    no_scm = True\n")
    with pytest.raises(InputError, match="--pull: DVC has no remote; name one with `dvc remote add"):
        pull_outputs(["one"])


def test_problems_of_dvc_add_are_fetched_beside_the_stage_of_the_same_name(tmp_path, monkeypatch):
    """The stage `problems` reads the folder `problems`, in which a user's own are."""
    graph = "stages: {problems: {cmd: cat problems/*.jsonl > out, deps: [problems], outs: [out]}}"
    second = push_and_clone(tmp_path, monkeypatch, graph, "problems/mine.jsonl")
    names = list(load_graph())
    assert sorted(names) == ["problems", "problems/mine.jsonl.dvc"]
    monkeypatch.chdir(tmp_path)
    assert list(load_graph(second)) == names, "a sweep looks at its worktrees from outside"
    monkeypatch.chdir(second)
    pull_outputs(names)
    assert (second / "problems/mine.jsonl").read_text() == "mine\n"
    assert survey().stale == set()
