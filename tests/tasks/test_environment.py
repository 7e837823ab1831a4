"""A relative path in the environment names a file of the checkout, also for a run in a worktree of it."""

import os
from pathlib import Path

import pytest

from tasks.git.worktree import _make_paths_absolute


def test_paths_of_the_checkout_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/Plus.jsonl").touch()
    values = {
        "HUMANEVAL_OVERRIDE_PATH": "data/Plus.jsonl",
        "HF_HOME": "/srv/models",
        "MBPP_OVERRIDE_PATH": "not/there",
        "ITERPREF_CACHE": "",
        "PYTHONPATH": "data",
        "GREETING": "data",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    _make_paths_absolute(tmp_path)
    changed = values | {"HUMANEVAL_OVERRIDE_PATH": str(tmp_path / "data/Plus.jsonl")}
    assert {name: os.environ[name] for name in values} == changed
