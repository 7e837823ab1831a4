"""Where programs cannot be isolated, `make demo` says so before it installs anything, with the container that can."""

import shutil
import subprocess
import sys

from tests.settings import ROOT

MACOS = """
import platform, runpy, sys
sys.platform, platform.system = "darwin", lambda: "Darwin"
runpy.run_path("config/environments/check_isolation.py", run_name="__main__")
"""


def test_make_demo_says_that_programs_cannot_be_isolated_before_it_installs(tmp_path):
    for name in ("Makefile", "params.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("config", "iterpref_core"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    for name in ("make", "sh", "grep"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    before = set(tmp_path.iterdir())
    command, path = [sys.executable, "-I", "-S", "-c", MACOS], {"PATH": str(tmp_path / "bin")}  # without bubblewrap
    done = subprocess.run(command, cwd=tmp_path, env=path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, set(tmp_path.iterdir())) == (2, "", before)
    for reason in ("this is Darwin", "docker build -t iterpref-demo", "docker run --name iterpref-demo "):
        assert reason in done.stderr
