"""Tasks of a benchmark's file, plain or compressed; one that is broken is named with its line."""

import json

import pytest

from iterpref_core.evaluation.benchmarks.bigcodebench.suite import BigCodeBenchTask
from iterpref_core.evaluation.benchmarks.published_tasks import read_tasks
from iterpref_core.records import BIGCODEBENCH, InputError
from tests.evaluation.benchmarks.bigcodebench.two_tasks import DOUBLE

VARIABLES = {"bigcodebench": "BIGCODEBENCH_OVERRIDE_PATH", "bigcodebench-hard": "BIGCODEBENCH_HARD_OVERRIDE_PATH"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "broken.jsonl: holds no task; set BIGCODEBENCH_OVERRIDE_PATH"),
        ("{}\n", "broken.jsonl:1: field 'task_id': Field required"),
        (json.dumps({**DOUBLE, "test": None}), "broken.jsonl:1: field 'test'"),
    ],
)
def test_a_broken_file_is_named_with_its_line(content, message, monkeypatch, tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_text(content)
    monkeypatch.setenv(VARIABLES["bigcodebench"], str(path))
    with pytest.raises(InputError, match=message):
        read_tasks(BIGCODEBENCH, BigCodeBenchTask)
