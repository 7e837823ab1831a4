"""A clone has the bytes of the commit, whatever a user's git says of line ends: digests are of bytes, scripts run."""

import shutil
import subprocess

import pytest

from tests.settings import ROOT

SCRIPT = "config/environments/install.sh"
FILES = (".gitattributes", "params.yaml", SCRIPT, "docs/study/gains.svg", "problems/README.md")


def git(*arguments, folder):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout


@pytest.mark.parametrize("setting", ["core.autocrlf=true", "core.autocrlf=input", "core.eol=crlf"])
def test_a_clone_has_the_bytes_of_the_commit_and_is_unmodified(tmp_path, setting):
    first = tmp_path / "first"
    for name in FILES:
        (first / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, first / name)
    (first / "both.jsonl").write_bytes(b'{"prompt": "a"}\r\n{"prompt": "b"}\n')
    git("init", "--quiet", folder=first)
    git("-c", setting, "add", ".", folder=first)
    git("commit", "--quiet", "--message", "all", folder=first)
    git("clone", "--quiet", "-c", setting, first, "clone", folder=tmp_path)
    for name in (*FILES, "both.jsonl"):
        assert (tmp_path / "clone" / name).read_bytes() == (first / name).read_bytes(), name
    assert git("status", "--porcelain", folder=tmp_path / "clone") == b""
