"""Workspaces: a copy shares the cache of the workspace, whatever letters are in its path."""

import subprocess
from pathlib import Path

import pytest

from tasks.orchestration.workspaces import _share_cache


def test_a_copy_finds_a_cache_below_a_folder_with_a_letter_outside_ascii(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dvc.repo import Repo

    origin, copy = tmp_path / "é ü, #1" / "origin", tmp_path / "é ü, #1" / "copy"
    for folder in (origin, copy):
        folder.mkdir(parents=True)
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        Repo.init(str(folder)).close()
    settings = "[cache]\n    type = copy\n['remote \"far\"']\n    url = /é/x\n"
    (origin / ".dvc" / "config.local").write_text(settings, encoding="utf-8")
    monkeypatch.chdir(copy)
    _share_cache(origin)
    with Repo(str(origin)) as theirs, Repo(".") as ours:
        assert ours.cache.legacy.path == theirs.cache.legacy.path
        assert ours.config["cache"]["type"] == ["copy"]
        assert ours.config["remote"]["far"]["url"] == "/é/x"
