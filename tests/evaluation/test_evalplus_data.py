"""Finding benchmark data without ever waiting long for it."""

import gzip
import json
import threading
import urllib.error
from pathlib import Path

import pytest

from iterpref_core.errors import DataUnavailableError
from iterpref_core.evaluation import evalplus_data
from iterpref_core.evaluation.evalplus_data import find_data

TASK = {
    "task_id": "HumanEval/0",
    "prompt": "def f():\n",
    "entry_point": "f",
    "canonical_solution": "    return 1\n",
} | {
    "base_input": [[]],
    "plus_input": {},
    "atol": 0,
}
VARIABLE = "HUMANEVAL_OVERRIDE_PATH"


@pytest.fixture(autouse=True)
def _nothing_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(evalplus_data, "_evalplus_cache", lambda: tmp_path / "absent")


def write(path: Path, *, compressed: bool) -> Path:
    text = (json.dumps(TASK) + "\n").encode()
    path.write_bytes(gzip.compress(text) if compressed else text)
    return path


@pytest.mark.parametrize("compressed", [True, False])
def test_override_is_read_by_its_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compressed: bool) -> None:
    path = write(tmp_path / ("data.jsonl.gz" if compressed else "data.jsonl"), compressed=compressed)
    monkeypatch.setenv(VARIABLE, str(path))
    data = find_data("humaneval", tmp_path / "cache")
    assert [task.task_id for task in data.tasks] == ["HumanEval/0"]
    assert (data.path, data.version_name) == (path, path.name)


@pytest.mark.parametrize(("name", "compressed"), [("data.jsonl", True), ("data.jsonl.gz", False)])
def test_override_whose_suffix_lies_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, compressed: bool
) -> None:
    monkeypatch.setenv(VARIABLE, str(write(tmp_path / name, compressed=compressed)))
    with pytest.raises(DataUnavailableError, match=f"{VARIABLE}=.*rename"):
        find_data("humaneval", tmp_path / "cache")


@pytest.mark.parametrize("content", ["", "{}\n", "not json\n"])
def test_override_that_is_no_data_set_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    (tmp_path / "data.jsonl").write_text(content)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data.jsonl"))
    with pytest.raises(DataUnavailableError, match=VARIABLE):
        find_data("humaneval", tmp_path / "cache")


def test_missing_override_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "no.jsonl"))
    with pytest.raises(DataUnavailableError, match=f"{VARIABLE}=.*no such file"):
        find_data("humaneval", tmp_path / "cache")


def test_machine_without_a_network_says_so_and_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def refuse(url: str, timeout: float) -> None:
        attempts.append(url)
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(evalplus_data.urllib.request, "urlopen", refuse)
    for _ in range(2):
        with pytest.raises(DataUnavailableError, match=f"could it be downloaded .*not known.*set {VARIABLE}"):
            find_data("humaneval", tmp_path)
    assert len(attempts) == 1


def test_server_that_never_answers_costs_a_bounded_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = threading.Event()
    monkeypatch.setattr(evalplus_data, "CONNECT_S", 0.2)
    monkeypatch.setattr(evalplus_data.urllib.request, "urlopen", lambda url, timeout: given_up.wait())
    with pytest.raises(DataUnavailableError, match="no answer within"):
        find_data("humaneval", tmp_path)
    given_up.set()  # the server had said nothing until now


def test_download_lands_in_the_cache_folder_and_broken_ones_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "served.gz", compressed=True)
    monkeypatch.setattr(evalplus_data.urllib.request, "urlopen", lambda url, timeout: source.open("rb"))
    data = find_data("humaneval", tmp_path / "cache")
    assert data.path.parent == tmp_path / "cache" / "data"
    assert data.version_name == "HumanEvalPlus-v0.1.10"

    source.write_bytes(source.read_bytes()[:-9])
    with pytest.raises(DataUnavailableError, match="could it be downloaded"):
        find_data("humaneval", tmp_path / "other")
    assert not list((tmp_path / "other" / "data").glob("*.gz*"))
