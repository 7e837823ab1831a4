"""Stages that run in forks of a process with the libraries imported: like any process of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tasks.orchestration import processes
from tasks.orchestration.fork_server import ForkServer
from tests.settings import ROOT

STAGE = """
import os, sys, time
from pathlib import Path
if __name__ == "__main__":
    from tasks.orchestration.fork_client import hand_over
    hand_over()
    import torch
    from stage_code import ANSWER
    print(__name__, sys.argv[1:], os.environ["GIVEN"], torch.get_num_threads(), ANSWER, os.getppid(), flush=True)
    print("to stderr", file=sys.stderr, flush=True)
    if "wait" in sys.argv:
        Path("pid.new").write_text(str(os.getpid()))
        Path("pid.new").rename("pid")
        time.sleep(600)
    sys.exit(int(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The present one, with the test's stage in it."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "stage.py").write_text(STAGE)
    (folder / "stage_code.py").write_text("ANSWER = 1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(processes, "_registry", lambda: folder)
        yield folder


@pytest.fixture(scope="module")
def warm(folder: Path) -> Iterator[ForkServer]:
    """One for all tests that leave it alive: it imports for seconds."""
    assert folder == Path.cwd()
    with ForkServer() as process:
        yield process


def start(warm: ForkServer | None, *arguments: str, **settings: str) -> "subprocess.Popen[str]":
    own = os.environ | {"PYTHONPATH": str(ROOT), "GIVEN": "some", "OMP_NUM_THREADS": "1", **settings}
    environment = warm.offer(own) if warm else own
    if warm:
        wait_for(Path(environment["ITERPREF_WARM"]))
    command = [sys.executable, "-m", "stage", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(warm: ForkServer | None, *arguments: str, **settings: str) -> tuple[int, list[str], str]:
    """Exit code, what the stage printed, and its errors."""
    with start(warm, *arguments, **settings) as child:
        output, errors = child.communicate(timeout=250)
    return child.returncode, output.split(), errors


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 250
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


def started_fork(folder: Path) -> psutil.Process:
    """The fork of a stage that waits."""
    wait_for(folder / "pid")
    found = psutil.Process(int((folder / "pid").read_text()))
    (folder / "pid").unlink()
    return found


def ended(pid: int) -> bool:
    deadline = time.monotonic() + 60
    with suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
    return True


def test_a_fork_does_what_a_process_of_its_own_does(warm: ForkServer, folder: Path) -> None:
    cold, first = run(None, "3", "x"), run(warm, "3", "x")
    *same, parent = first[1]
    assert first[0] == cold[0] == 3
    assert same == cold[1][:-1] == ["__main__", "['3',", "'x']", "some", "1", "1"]
    assert first[2] == cold[2] == "to stderr\n"
    (folder / "stage_code.py").write_text("ANSWER = 20\n")
    code, output, _ = run(warm, "0", GIVEN="other", OMP_NUM_THREADS="2")
    assert (code, output) == (0, ["__main__", "['0']", "other", "2", "20", parent]), "one server, today's code"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_process_is_one_to_its_fork(warm: ForkServer, folder: Path, number: int) -> None:
    with start(warm, "0", "wait") as child:
        fork = started_fork(folder)
        assert fork.pid != child.pid
        os.kill(child.pid, number)
        child.communicate(timeout=60)
    assert child.returncode == (143 if number == signal.SIGTERM else -9)
    assert ended(fork.pid)


def test_a_killed_fork_is_a_killed_stage(warm: ForkServer, folder: Path) -> None:
    with start(warm, "0", "wait") as child:
        started_fork(folder).kill()
        child.communicate(timeout=60)
    assert child.returncode == 137


def test_another_environment_gets_no_fork(warm: ForkServer, folder: Path) -> None:
    """Its libraries may be of other versions."""
    other = folder / "other"
    (other / "bin").mkdir(parents=True)
    (other / "bin" / "python").symlink_to(sys.executable)
    (other / "pyvenv.cfg").write_text((Path(sys.prefix) / "pyvenv.cfg").read_text())
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    own = {"PYTHONPATH": f"{ROOT}:{packages}", "GIVEN": "some", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(other / "bin" / "python"), "-m", "stage", "0"],
        env=warm.offer(os.environ | own),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == str(os.getpid()), "its own process, whose parent is this one"


@pytest.mark.faults
@pytest.mark.parametrize("ending", ["killed", "ended"])
def test_forks_end_with_the_server(folder: Path, ending: str) -> None:
    with ExitStack() as stack:
        warm = stack.enter_context(ForkServer())
        with start(warm, "0", "wait") as child:
            fork = started_fork(folder)
            server = fork.parent()
            assert server is not None
            if ending == "killed":
                server.kill()
            else:
                stack.close()
            child.communicate(timeout=60)
        assert child.returncode == 137
        assert ended(fork.pid)
        assert ended(server.pid)
        if ending == "killed":
            assert run(warm, "5")[0] == 5, "in its own process"
