"""Finding EvalPlus's data without ever waiting long for it."""

import gzip
import json
from pathlib import Path

import pytest

from iterpref_core.errors import DataUnavailableError
from iterpref_core.evaluation import downloads
from iterpref_core.evaluation.downloads import downloaded
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
    found, _, tasks = find_data("humaneval", tmp_path / "cache")
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
        find_data("humaneval", tmp_path / "cache")


def test_without_a_network_evalplus_says_so_and_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens
    for _ in range(2):
        with pytest.raises(DataUnavailableError, match=f"could it be downloaded .*refused.*set {VARIABLE}"):
            find_data("humaneval", tmp_path)
        monkeypatch.setattr(downloads, "_run", None)


def test_a_download_is_whole_or_not_there_and_bounded_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "data.jsonl"
    broken = "open(target, 'w').write('half'); raise OSError('it broke')"
    with pytest.raises(DataUnavailableError, match=r"it is neither cached .* \(OSError: it broke\); do this"):
        downloaded(target, broken, "it", "do this")
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl.unreachable"]
    monkeypatch.setattr(downloads, "RETRY_S", 0.0)
    monkeypatch.setattr(downloads, "DOWNLOAD_S", 0.2)
    with pytest.raises(DataUnavailableError, match="no complete answer within"):
        downloaded(target, "import time; time.sleep(60)", "it", "")
    monkeypatch.setattr(downloads, "DOWNLOAD_S", 60.0)
    assert downloaded(target, "open(target, 'w').write('whole')", "it", "").read_text() == "whole"
