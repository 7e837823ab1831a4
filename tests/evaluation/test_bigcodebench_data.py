"""Where BigCodeBench comes from; nothing here has a network."""

import gzip
import json
from pathlib import Path

import pytest

from iterpref_core.errors import DataUnavailableError
from iterpref_core.evaluation.bigcodebench_data import find_data
from tests.evaluation.bigcodebench_tasks import DOUBLE, WHERE, write

FULL, HARD = "BIGCODEBENCH_OVERRIDE_PATH", "BIGCODEBENCH_HARD_OVERRIDE_PATH"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (FULL, HARD):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: 1 / 0)


def test_a_file_is_read_plain_or_compressed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain = write(tmp_path / "mine.jsonl", DOUBLE, WHERE)
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for path in (plain, packed):
        monkeypatch.setenv(FULL, str(path))
        name, sha256, tasks = find_data("full")
        assert (name, len(sha256), list(tasks)) == (path.name, 64, ["BigCodeBench/0", "BigCodeBench/1"])
        assert tasks["BigCodeBench/0"].code_prompt == DOUBLE["code_prompt"]


def test_hard_is_its_own_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(HARD, str(write(tmp_path / "hard.jsonl", WHERE)))
    assert list(find_data("hard")[2]) == ["BigCodeBench/1"]


def test_full_alone_says_nothing_about_hard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FULL, str(write(tmp_path / "full.jsonl", DOUBLE, WHERE)))
    with pytest.raises(DataUnavailableError, match=rf"set {HARD} to a copy from .*bigcodebench-hard"):
        find_data("hard")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no task"),
        ("{}\n", r":1: not a data set of BigCodeBench \(KeyError"),
        (json.dumps(DOUBLE) + "\n{", ":2: not a data set of BigCodeBench"),
        (json.dumps({**DOUBLE, "test": None}), "field 'test' is missing or no text"),
        (f"{json.dumps(DOUBLE)}\n{json.dumps(DOUBLE)}", ":2: .*a second task has the task_id"),
    ],
)
def test_a_broken_file_is_named_with_its_line(
    content: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text(content)
    monkeypatch.setenv(FULL, str(path))
    with pytest.raises(DataUnavailableError, match=message):
        find_data("full")
