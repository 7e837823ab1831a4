"""A kill leaves DVC's files whole, and what comes back from its cache is what was put there."""

import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.repo import Repo

from tasks.dvc.added_files import check_out
from tasks.dvc.corrections import correct_dvc
from tasks.dvc.graph import opened_repo, survey

NAMES = ("first", "second", "third", "running", "last")
STAGES = {
    name: {"cmd": f"cat given/{name} > {name}; echo {name} >> ran", "deps": [f"given/{name}"], "outs": [name]}
    for name in NAMES
}


@pytest.fixture
def finished(toy_checkout):
    """The present folder: one whose stages have run."""
    toy_checkout(STAGES, {f"given/{name}": f"1 {name}\n" for name in NAMES})
    assert in_child(reproduce_corrected) == 0


def reproduce_corrected(*targets):
    correct_dvc()
    with Repo() as repo:
        repo.reproduce(list(targets) or None)


def in_child(work, *arguments):
    """Do some work in a fork of this process, and return how that ended: its exit code, or -9 for a kill."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work(*arguments)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_in_write(name, size):
    """Run a stage, and let the system kill the process once it has written so many bytes to a file of DVC."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

    def hook(event, arguments):
        if event == "open" and name in str(arguments[0]) and "w" in str(arguments[1]):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        elif event == "os.rename" and str(arguments[1]).endswith(name):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    reproduce_corrected("running")


def survives_kills(sizes):
    """Kill a running stage at these bytes of dvc.lock and of the list of locks: all else is up to date after each."""
    before = Path("dvc.lock").read_bytes()
    for number, size in enumerate(sizes):
        Path("given/running").write_text(f"{number} {size}\n")
        assert in_child(killed_in_write, "dvc.lock", size) in (-signal.SIGXFSZ, -signal.SIGKILL)
        assert Path("dvc.lock").read_bytes() == before
        assert in_child(killed_in_write, "tmp/rwlock", size % 40) in (-signal.SIGXFSZ, -signal.SIGKILL)
    assert survey().stale == {"running"}
    assert in_child(reproduce_corrected) == 0
    assert survey().stale == set()


def test_a_kill_in_the_midst_of_a_write_costs_the_running_stage_alone(finished):
    """Without the rename, each run after it ended with exit code 2, or did not know of stages that had run."""
    size = Path("dvc.lock").stat().st_size
    survives_kills([0, size // 3, size * 2 // 3, size - 1, 1 << 20])
    assert Path("ran").read_text().split().count("last") == 1


def damage(content):
    """Flip a bit of the cache's file with this content, as a disk would: its mode and times stay."""
    [path] = [path for path in Path(".dvc/cache/files").rglob("*") if path.is_file() and path.read_bytes() == content]
    times = path.stat()
    path.chmod(0o644)
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    path.chmod(0o444)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_stage_whose_result_is_damaged_in_the_cache_runs_again(finished, capfd):
    """DVC restored the damaged file, and called it up to date: the mode of the file is its only check."""
    Path("given/running").write_text("2\n")
    assert in_child(reproduce_corrected, "running") == 0
    damage(b"1 running\n")
    Path("given/running").write_text("1 running\n")
    assert in_child(reproduce_corrected, "running") == 0
    assert Path("running").read_text() == "1 running\n"
    assert "running is damaged in DVC's cache, and removed there" in capfd.readouterr().err
    assert Path("ran").read_text().split().count("running") == 3


def test_a_worktree_gets_no_damaged_result(finished, capfd):
    damage(b"1 first\n")
    Path("first").unlink()
    Path("second").unlink()
    check_out(Path(), ())
    assert "first is damaged in DVC's cache, and removed there" in capfd.readouterr().err
    assert survey().stale == {"first"}
    assert Path("second").is_file()


@pytest.mark.parametrize("process", ["ended", "a zombie", "a later process"])
def test_the_lock_of_a_killed_process_is_told_in_one_line(finished, capsys, process, tmp_path_factory):
    """DVC would take the process that has the number for the killed one, and refuse each command."""
    other = subprocess.Popen(["sleep", "60" if process == "a later process" else "0"])
    if process == "ended":
        other.wait()
    elif process == "a zombie":
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    gone = other.pid
    holder = {"pid": gone, "cmd": "python -m dvc repro"}
    paths = {str(Path(name).resolve()): holder for name in NAMES}
    Path(".dvc/tmp/rwlock").write_text(json.dumps({"write": paths}))
    if process == "a later process":
        os.utime(".dvc/tmp/rwlock", (0, 0))
    root, elsewhere = Path.cwd(), tmp_path_factory.mktemp("elsewhere")
    # A run looks at its worktrees from the checkout, whose own list of locks is another one.
    with chdir(elsewhere), opened_repo(root) as repo:
        repo.status()
    told = f"warning: a command of DVC was killed (process {gone}); its locks are removed\n"
    assert capsys.readouterr().err == told
    other.kill()
    other.wait()
