"""Where programs cannot be isolated, `make demo` says so before it installs anything, with the container that can."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.settings import ROOT

NO_LAYERS = """
import ctypes, os, struct, sys
refused = (444, 277 if os.uname().machine == "aarch64" else 317)  # landlock_create_ruleset, seccomp
code = struct.pack("=HBBI", 0x20, 0, 0, 0)  # load the call's number
for number in refused:
    code += struct.pack("=HBBI", 0x15, 0, 1, number) + struct.pack("=HBBI", 0x06, 0, 0, 0x50026)  # ENOSYS
code += struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)  # all else is allowed
text = ctypes.create_string_buffer(code, len(code))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(text)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, *[ctypes.c_ulong(value) for value in (1, 0, 0, 0)]) == 0
assert libc.prctl(22, ctypes.c_ulong(2), program) == 0
os.execvp("make", ["make", "demo", f"PYTHON={sys.executable} -I -S"])
"""
"""`make demo` on what is an old kernel to it: one that knows neither Landlock nor seccomp's own call."""

MACOS = """
import platform, runpy, sys
sys.platform, platform.system = "darwin", lambda: "Darwin"
runpy.run_path("environments/check_isolation.py", run_name="__main__")
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `make demo` looks at before it installs, and a PATH without bubblewrap."""
    for name in ("Makefile", "params.yaml", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("environments", "iterpref_core"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    for name in ("make", "sh", "grep"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    return tmp_path


@pytest.mark.parametrize(
    ("program", "reasons"),
    [
        (
            NO_LAYERS,
            ("cannot be isolated here", "bwrap: bubblewrap is not installed", "landlock: ", "seccomp: OSError"),
        ),
        (MACOS, ("this is Darwin",)),
    ],
    ids=["an old kernel", "macOS"],
)
def test_make_demo_says_that_programs_cannot_be_isolated_before_it_installs(
    clone: Path, program: str, reasons: tuple[str, ...]
) -> None:
    before = set(clone.iterdir())
    command, path = [sys.executable, "-I", "-S", "-c", program], {"PATH": str(clone / "bin")}
    done = subprocess.run(command, cwd=clone, env=path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, set(clone.iterdir())) == (2, "", before)
    for reason in (*reasons, "docker build -t iterpref-demo", "docker run --name iterpref-demo "):
        assert reason in done.stderr
