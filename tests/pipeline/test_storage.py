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
import yaml

from tests.once import copy_workspace
from tests.pipeline.conftest import Workspace
from tests.settings import ROOT

pytestmark = pytest.mark.faults

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


FILLED = """
size=$1 needed=$2 outs=$3; shift 3
cp -r models kept && mount -t tmpfs -o size="$size" tmpfs models || exit 99
for name in $needed; do cp -r "kept/$name" models; done
"$@" && exit 98
code=$?
for out in $outs; do if [ -e "$out" ]; then echo "$out is left"; fi; done
mount -o remount,size=1g models && "$@" > second.log 2>&1 || { cat second.log; exit 97; }
md5sum $(find $outs -type f)
exit $code
"""


@pytest.mark.timeout(2400)
@pytest.mark.parametrize(("stage", "needed", "size"), [("nanolab", "", "1m"), ("training@dpo", "student", "3m")])
def test_a_disk_that_fills_up_while_a_model_is_saved_costs_only_that_stage(
    completed: Path, tmp_path: Path, mount: Path, stage: str, needed: str, size: str
) -> None:
    """On a disk that takes less than the model, and then, with more room, again."""
    if not can_mount("full", mount):
        pytest.skip("this machine refuses user namespaces or overlays in them")
    copy = tmp_path / "workspace"
    copy_workspace(completed, copy)
    locked = yaml.safe_load((copy / "dvc.lock").read_text(encoding="utf-8"))["stages"][stage]["outs"]
    models = [out["path"] for out in locked if out["path"].startswith("models/")]
    name, *arguments = stage.split("@")
    shell = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", FILLED, "sh"]
    done = subprocess.run(
        [*shell, size, needed, " ".join(models), sys.executable, "-m", f"flows.{name}", *arguments],
        cwd=copy,
        env=Workspace(copy).environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    (message,) = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    assert message.startswith("error: "), done.stderr
    assert "free some space" in message
    assert " is left" not in done.stdout, "no half of a model has the name of a whole one"
    written = {
        path: md5 for md5, path in (line.split("  ") for line in done.stdout.splitlines() if "  models/" in line)
    }
    assert written == {f"{path}/{file}": md5 for path in models for file, md5 in files_of(completed / path).items()}


def files_of(folder: Path) -> dict[str, str]:
    """The md5 of every file of a folder, by name."""
    done = subprocess.run(
        ["find", ".", "-type", "f", "-exec", "md5sum", "{}", "+"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.removeprefix("./"): md5 for md5, name in (line.split("  ") for line in done.stdout.splitlines())}
