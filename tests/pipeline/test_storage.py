"""A full disk and a read-only checkout: every way in ends with exit code 2 and one message, and nothing half-written.

The working tree is seen through an overlay in a mount namespace of the command's own: what it writes goes to a disk of
a few kilobytes, or nowhere.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FULL = """
mount -t tmpfs -o size=96k tmpfs "$1" && mkdir "$1/upper" "$1/work" "$1/tree"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/tree" && cd "$1/tree" || exit 99
"""
READ_ONLY = 'mount --bind "$2" "$1" && mount -o remount,ro,bind "$1" && cd "$1" || exit 99\n'
SHELL = 'shift 2; "$@"; code=$?; find . -name ".*.tmp" -newer params.yaml; exit $code'

DISKS = {"full": FULL, "read-only": READ_ONLY}
WAYS_IN = {
    "stage": ("-m", "flows.problems"),
    "experiment": ("-m", "flows.cli", "run"),
    "verb": ("-m", "flows.cli", "localize", "--pairs", "PAIRS", "--out", "focal.jsonl"),
}


def on_disk(kind: str, tree: Path, mount: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in `tree` as it would be on such a disk."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "MLFLOW", "ITERPREF", "PYTHONPATH"))}
    shell = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", DISKS[kind] + SHELL, "sh"]
    return subprocess.run(
        [*shell, mount, tree, *command],
        env=keep | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@cache
def can_mount(kind: str, scratch: Path) -> bool:
    return on_disk(kind, ROOT, scratch, "true").returncode == 0


@pytest.fixture(scope="session")
def mount(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disk")


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More pairs than the full disk has room for spans."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    pair = {"prompt": "p", "chosen": "x = 1\n", "rejected": "x = 2\n"}
    path.write_text((json.dumps(pair) + "\n") * 2000, encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", DISKS)
@pytest.mark.parametrize("way", WAYS_IN)
def test_it_is_one_message_and_exit_code_2(kind: str, way: str, mount: Path, pairs: Path) -> None:
    if not can_mount(kind, mount):
        pytest.skip("this machine refuses user namespaces or overlays in them")
    command = [str(pairs) if word == "PAIRS" else word for word in WAYS_IN[way]]
    done = on_disk(kind, ROOT, mount, sys.executable, *command)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("error: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert ("Read-only file system" if kind == "read-only" else "free some space") in done.stderr
    assert not done.stdout, "no temporary file is left"
