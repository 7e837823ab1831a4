"""Where a benchmark's tasks come from: one way for scores and for screening, without a network."""

import gzip
import json

import pytest

from iterpref_core.evaluation.benchmarks.evalplus.tasks import EvalPlusTask
from iterpref_core.evaluation.benchmarks.published_tasks import read_tasks
from iterpref_core.problems.screening.benchmark_files import find_benchmark
from iterpref_core.problems.screening.contamination import Decontamination
from iterpref_core.records import HUMANEVAL, LIVECODEBENCH, MBPP, PUBLISHED, DataUnavailableError

TASK = {
    "task_id": "Mbpp/2",
    "prompt": "Say it.",
    "entry_point": "f",
    "canonical_solution": "",
    "base_input": [],
    "plus_input": {},
    "atol": 0,
}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    for source in PUBLISHED.values():
        monkeypatch.delenv(source.variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens


def test_screening_sees_the_file_that_scores_are_measured_on(tmp_path):
    cached = tmp_path / "caches/iterpref/MbppPlus-v0.2.0.jsonl.gz"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(gzip.compress(json.dumps(TASK).encode()))
    found = Decontamination(["mbpp"], tmp_path).report()
    (name, sha256), _ = read_tasks(MBPP, EvalPlusTask)
    assert (found["benchmarks"]["mbpp"]["sha256"], found["absent"]) == (sha256, {})
    assert name == "MbppPlus-v0.2.0"


def test_without_a_network_the_message_names_the_variable_and_nothing_is_left(tmp_path):
    copy = r"set HUMANEVAL_OVERRIDE_PATH to a copy of https://github.com/evalplus.*\.jsonl\.gz$"
    message = rf"cannot be downloaded \(\w[^<>]+\); {copy}"
    with pytest.raises(DataUnavailableError, match=message):
        find_benchmark(HUMANEVAL)
    assert not [path for path in (tmp_path / "caches").rglob("*.gz*") if path.suffix != ".lock"]


def test_a_download_is_whole_or_not_there(tmp_path):
    published = tmp_path / "HumanEvalPlus.jsonl.gz"
    source = HUMANEVAL._replace(location=f"file://{tmp_path}")
    with pytest.raises(DataUnavailableError, match="is not on this machine"):
        find_benchmark(source)
    for page in (
        b"<!DOCTYPE html><title>Log in</title>",
        gzip.compress(b"<html>\n"),
        gzip.compress(b"{}\n" * 999)[:-9],
    ):
        published.write_bytes(page)
        with pytest.raises(DataUnavailableError, match="cannot be downloaded"):
            find_benchmark(source)
    whole = gzip.compress(json.dumps(TASK).encode())
    published.write_bytes(whole)
    assert find_benchmark(source).files[0].read_bytes() == whole
    published.unlink()
    assert find_benchmark(source).files[0].read_bytes() == whole


def test_a_folder_stands_for_the_files_of_livecodebench_alone(tmp_path, monkeypatch):
    for name in ("test.jsonl", "test2.jsonl"):
        (tmp_path / name).touch()
    for name in ("humaneval", "livecodebench"):
        monkeypatch.setenv(PUBLISHED[name].variable, str(tmp_path))
    assert [path.name for path in find_benchmark(LIVECODEBENCH).files] == ["test.jsonl", "test2.jsonl"]
    with pytest.raises(DataUnavailableError, match=r"LIVECODEBENCH_PATH=.*no such file \(test3\.jsonl\)"):
        find_benchmark(LIVECODEBENCH, ["test.jsonl", "test3.jsonl"])
    with pytest.raises(DataUnavailableError, match=r"HUMANEVAL_OVERRIDE_PATH=.*no such file"):
        find_benchmark(HUMANEVAL)
