"""Tasks of a benchmark's file, plain or compressed; one that is broken is named with its line."""

import gzip
import json
from pathlib import Path

import pytest

from iterpref_core.errors import InputError
from iterpref_core.evaluation.bigcodebench import BigCodeBenchTask
from iterpref_core.evaluation.published_tasks import read_tasks
from tests.evaluation.bigcodebench_tasks import DOUBLE, WHERE, write

VARIABLES = {"bigcodebench": "BIGCODEBENCH_OVERRIDE_PATH", "bigcodebench-hard": "BIGCODEBENCH_HARD_OVERRIDE_PATH"}


def test_a_file_is_read_plain_or_compressed_and_hard_is_one_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = write(tmp_path / "mine.jsonl", DOUBLE, WHERE)
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for path in (plain, packed):
        monkeypatch.setenv(VARIABLES["bigcodebench"], str(path))
        (name, sha256), tasks = read_tasks("bigcodebench", BigCodeBenchTask)
        assert (name, len(sha256), list(tasks)) == (path.name, 64, ["BigCodeBench/0", "BigCodeBench/1"])
        assert tasks["BigCodeBench/0"].code_prompt == DOUBLE["code_prompt"]
    monkeypatch.setenv(VARIABLES["bigcodebench-hard"], str(write(tmp_path / "hard.jsonl", WHERE)))
    assert list(read_tasks("bigcodebench-hard", BigCodeBenchTask)[1]) == ["BigCodeBench/1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "broken.jsonl: holds no task; set BIGCODEBENCH_OVERRIDE_PATH"),
        ("{}\n", "broken.jsonl:1: field 'task_id' is missing"),
        (json.dumps(DOUBLE) + "\n{", "broken.jsonl:2:.* not valid JSON"),
        (json.dumps({**DOUBLE, "test": None}), "broken.jsonl:1: field 'test'"),
        (f"{json.dumps(DOUBLE)}\n{json.dumps(DOUBLE)}", "broken.jsonl:2: .*already used on line 1"),
    ],
)
def test_a_broken_file_is_named_with_its_line(
    content: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text(content)
    monkeypatch.setenv(VARIABLES["bigcodebench"], str(path))
    with pytest.raises(InputError, match=message):
        read_tasks("bigcodebench", BigCodeBenchTask)
