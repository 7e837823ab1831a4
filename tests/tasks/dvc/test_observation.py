"""DVC's lock, read, and what a stage finds and writes, with the digests that DVC will write."""

import json
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from iterpref_core.records import read_yaml
from tasks.dvc.observation import observe_stage, read_lock
from tests.dvc_repository import init_dvc, reproduce

STAGES = {
    "first": {"cmd": "mkdir -p folder && echo 1 > folder/x", "outs": ["folder"]},
    "second": {
        "foreach": {"a": "training.beta"},
        "do": {
            "cmd": "cp folder/x ${key}.txt",
            "deps": ["folder"],
            "params": ["${item}"],
            "outs": ["${key}.txt"],
        },
    },
}
SECOND = "second@a"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Two stages; one of them reads what the other writes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    Path("dvc.yaml").write_text(json.dumps({"stages": STAGES}))
    Path("params.yaml").write_text("training: {beta: 0.1}\n")
    init_dvc(no_scm=True)
    return tmp_path


def test_what_a_stage_observes_is_what_dvc_then_writes(repository):
    assert read_lock(repository) == {}, "nothing has run"
    reproduce("first")
    inputs = observe_stage(SECOND).locked
    assert inputs.params == {"training.beta": 0.1}
    Path("a.txt").write_text("1\n")
    ended = observe_stage(SECOND, outs=True).locked
    reproduce()
    locked = read_lock(repository)["second@a"]
    assert locked == ended == inputs.model_copy(update={"outs": ended.outs})
    written = read_yaml(Path("dvc.lock"))["stages"]["second@a"]
    assert [item.md5 for item in (*locked.deps, *locked.outs)] == [
        item["md5"] for item in (*written["deps"], *written["outs"])
    ]


def test_a_lock_that_is_being_written_is_not_read(repository):
    """Another stage may end at any moment; DVC then writes dvc.lock anew, from its first byte."""
    from dvc.repo import Repo

    out = {"path": "folder", "md5": "401b30e3b8b5d629635a5c613cdb7919", "size": 2}
    written = json.dumps({"schema": "2.0", "stages": {"first": {"cmd": "x", "outs": [out]}}})
    with ThreadPoolExecutor() as threads:
        with Repo(".") as writer, writer.lock:
            Path("dvc.lock").write_text(written[:-20])
            reader = threads.submit(read_lock, repository)
            wait([reader], timeout=0.5)
            Path("dvc.lock").write_text(written)
        assert list(reader.result()) == ["first"]
