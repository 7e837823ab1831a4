"""A clone has the bytes of the commit, whatever a user's git says of line ends: digests are of bytes, scripts run."""

import shutil

import pytest

from tests.dvc_repository import git
from tests.settings import ROOT

SCRIPT = "config/environments/install.sh"
FILES = (".gitattributes", "params.yaml", SCRIPT, "docs/study/gains.svg", "problems/README.md")


@pytest.mark.parametrize("setting", ["core.autocrlf=true", "core.autocrlf=input", "core.eol=crlf"])
def test_a_clone_has_the_bytes_of_the_commit_and_is_unmodified(tmp_path, monkeypatch, setting):
    first = tmp_path / "first"
    for name in FILES:
        (first / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, first / name)
    (first / "both.jsonl").write_bytes(b'{"prompt": "a"}\r\n{"prompt": "b"}\n')
    monkeypatch.chdir(first)
    git("init", "--quiet")
    git("-c", setting, "add", ".")
    git("commit", "--quiet", "--message", "all")
    clone = tmp_path / "clone"
    git("clone", "--quiet", "-c", setting, ".", clone)
    for name in (*FILES, "both.jsonl"):
        assert (clone / name).read_bytes() == (first / name).read_bytes(), name
    assert not git("status", "--porcelain", cwd=clone)
