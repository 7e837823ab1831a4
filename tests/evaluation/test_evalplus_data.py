"""EvalPlus's tasks, read from a file."""

import gzip
import json
from pathlib import Path

import pytest

from iterpref_core.errors import DataUnavailableError
from iterpref_core.evaluation.evalplus_data import find_data

TASK = {
    "task_id": "HumanEval/0",
    "prompt": "def f():\n",
    "entry_point": "f",
    "canonical_solution": "    return 1\n",
    "base_input": [[]],
    "plus_input": {},
    "atol": 0,
}
VARIABLE = "HUMANEVAL_OVERRIDE_PATH"


@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
def test_override_is_read_by_its_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text = json.dumps(TASK).encode() + b"\n"
    (tmp_path / name).write_bytes(gzip.compress(text, mtime=0) if name.endswith(".gz") else text)
    monkeypatch.setenv(VARIABLE, str(tmp_path / name))
    found, _, tasks = find_data("humaneval")
    assert (found, list(tasks)) == (name, ["HumanEval/0"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, f"{VARIABLE}=.*no such file"),
        (gzip.compress(b"{}", mtime=0), "not a data set of EvalPlus.*"),
        (b"", "holds no task"),
        (b"{}\n", VARIABLE),
        (b"not json\n", VARIABLE),
    ],
)
def test_override_that_is_no_data_set_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "data.jsonl").write_bytes(content)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data.jsonl"))
    with pytest.raises(DataUnavailableError, match=message):
        find_data("humaneval")
