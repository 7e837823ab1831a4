"""The engine survives the loss of its own processes, and leaves no process or folder."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.execution.isolation import deadlines, tiers
from iterpref_core.execution.running.workers import Worker
from iterpref_core.records import ExecutionError, IoTest, IsolationError
from tests.engines import outcomes_of, worker_pids
from tests.settings import ROOT

LIMITS = Limits(cpu_s=1, wall_s=3)
TESTS = (IoTest(call="f()", expected="1"),)
GOOD = Program("def f(): return 1", TESTS)
SLOW = Program("import time\ndef f(): time.sleep(0.3); return 1", TESTS)


def family(worker):
    return psutil.Process(worker.pid).children(recursive=True)


def kill_after_start(monkeypatch, times):
    """Kill this many zygotes, each as soon as it has started a process for its program."""
    receive, left = Worker._receive, [None] * times

    def kill_and_receive(worker, *arguments):
        idle = 1 if worker._root == "/iterpref-job" else 0  # bubblewrap is in between
        if not worker.usable and left:
            left.pop()
            while len(family(worker)) == idle and not select.select([worker._socket], [], [], 0)[0]:
                pass
            os.killpg(worker.pid, signal.SIGKILL)
        return receive(worker, *arguments)

    monkeypatch.setattr(Worker, "_receive", kill_and_receive)


def test_file_names_that_need_more_memory_than_a_program_has_do_not_end_its_zygote():
    # The zygote lists these folders ten times a second: 4 MB of paths.
    code = """
import os, time
def f():
    name = "d" * 250
    for _ in range(14):
        os.mkdir(name)
        os.chdir(name)
    for number in range(1000):
        os.mkdir(f"{number}{name[:240]}")
    time.sleep(0.3)
    return 1
"""
    with Executor(Limits(memory_mb=1), workers=1) as executor:
        assert executor.run_one(GOOD).verdict == "passed"
        pids = worker_pids(executor)
        assert executor.run_one(Program(code, TESTS)).verdict == "passed"
        assert executor.run_one(GOOD).verdict == "passed"
        assert worker_pids(executor) == pids


@pytest.mark.slow
@pytest.mark.parametrize("namespaces", [True, False])
def test_a_killed_zygote_is_replaced_and_its_program_run_again(namespaces, caplog, monkeypatch):
    with Executor(LIMITS, workers=2, namespaces=namespaces) as executor:
        assert executor.run_one(GOOD).verdict == "passed"
        kill_after_start(monkeypatch, 1)
        verdicts = [outcome.verdict for outcome in outcomes_of(executor, [SLOW, SLOW, GOOD, GOOD])]
    assert verdicts == ["passed"] * 4
    assert caplog.text.count("was lost while it ran a program") == 1


@pytest.mark.slow
def test_a_program_whose_zygotes_keep_dying_is_an_infra_error(monkeypatch):
    kill_after_start(monkeypatch, 99)
    with Executor(LIMITS, workers=1) as executor:
        outcome = executor.run_one(SLOW)
    assert outcome.verdict == "infra_error"


@pytest.mark.slow
def test_a_stopped_zygote_does_not_hang_the_run(monkeypatch, caplog):
    with Executor(LIMITS, workers=1, namespaces=False) as executor:
        assert executor.run_one(GOOD).verdict == "passed"
        (stopped,) = worker_pids(executor)
        os.kill(stopped, signal.SIGSTOP)
        receive = Worker._receive

        def receive_soon(worker, seconds, files=None):
            return receive(worker, 0.1 if worker.pid == stopped else seconds, files)

        monkeypatch.setattr(Worker, "_receive", receive_soon)
        assert executor.run_one(GOOD).verdict == "passed"
    assert "the zygote does not answer" in caplog.text


def test_a_program_that_asks_without_end_does_not_put_off_the_end_of_a_silent_zygote():
    with Executor(LIMITS, workers=1) as executor, Path("/dev/zero").open() as endless:
        assert executor.run_one(GOOD).verdict == "passed"
        (worker,) = executor.pool.workers
        with pytest.raises(TimeoutError):
            worker._receive(0.1, SimpleNamespace(asked=endless.fileno(), give=lambda: True))


def test_time_in_which_a_program_waited_for_a_cpu_is_no_real_time(monkeypatch):
    with tempfile.TemporaryFile() as channel:
        limits_s = {"cpu": 9.0, "wall": 0.0, "test": 9.0}
        look = deadlines.deadlines(limits_s, os.getpid(), channel.fileno(), time.monotonic())
        monkeypatch.setattr(deadlines, "waited_s", lambda _: 2.5)
        assert 2.0 < look(0.1)["wall"] <= 2.5
        monkeypatch.setattr(deadlines, "waited_s", lambda _: 0.0)
        assert look(0.1)["wall"] < 0


@pytest.mark.parametrize("namespaces", [True, False])
def test_a_run_may_outlive_its_executor_and_loses_no_worker(namespaces, monkeypatch, caplog):
    wait = subprocess.Popen.wait
    # Two threads end a busy worker: the closer of the pool, and the thread that waits for the answer.
    monkeypatch.setattr(subprocess.Popen, "wait", lambda *process_and_s: time.sleep(0.02) or wait(*process_and_s))
    with Executor(LIMITS, workers=2, namespaces=namespaces) as executor:
        run = executor.run_each([GOOD] * 50, lambda program: program)
        assert next(run)[1].verdict == "passed"
        workers = set(executor.pool.workers)
    run.close()
    for thread in threading.enumerate():
        if thread.name.startswith("execution"):
            thread.join()
    assert workers
    assert "a worker was lost" not in caplog.text
    assert not [worker for worker in workers if worker._process.returncode is None or not worker._errors.closed]


@pytest.mark.slow
@pytest.mark.parametrize("namespaces", [True, False])
def test_nothing_survives_a_killed_supervisor(namespaces, tmp_path):
    script = (
        "from iterpref_core.execution import *; from iterpref_core.records import IoTest\n"
        f"with Executor(Limits(cpu_s=9, wall_s=60), workers=1, namespaces={namespaces}) as executor:\n"
        "    tests = (IoTest(call='f()', expected='1'),)\n"
        "    executor.run_one(Program('def f(): return 1', tests))\n"
        "    print(next(iter(executor.pool.workers)).pid, flush=True)\n"
        "    input()\n"
        "    executor.run_one(Program('import time\\ndef f(): time.sleep(50)', tests))\n"
    )
    own = os.environ | {"TMPDIR": str(tmp_path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=own, bufsize=0, **pipes) as supervisor:
        zygote = psutil.Process(int(supervisor.stdout.readline()))
        idle = zygote.children(recursive=True)
        supervisor.stdin.write(b"\n")
        while len(busy := zygote.children(recursive=True)) == len(idle):
            assert supervisor.poll() is None
        supervisor.kill()
    _, alive = psutil.wait_procs([zygote, *busy], timeout=60)
    assert alive == []
    assert list(tmp_path.glob("iterpref-execution-*")) == []


@pytest.mark.parametrize("moment", ["iterpref-probe-*", "iterpref-execution-*"])
def test_no_folder_survives_a_supervisor_that_is_killed_when_it_has_just_been_made(moment, tmp_path):
    script = (
        "from iterpref_core.execution import *; from iterpref_core.records import IoTest\n"
        "with Executor(Limits(), workers=1, namespaces=False) as executor:\n"
        "    executor.run_one(Program('def f(): return 1', (IoTest(call='f()', expected='1'),)))\n"
        "    input()\n"
    )
    own = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=own, stdin=subprocess.PIPE) as supervisor:
        while not list(tmp_path.glob(moment)):
            assert supervisor.poll() is None
        supervisor.kill()
    end = time.monotonic() + 60
    while list(tmp_path.iterdir()):
        assert time.monotonic() < end, list(tmp_path.iterdir())
        time.sleep(0.01)


def test_a_machine_without_processes_is_an_error_with_its_reason(monkeypatch):
    def none_left(*_args, **_named):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with Executor(LIMITS, workers=1) as executor:
        monkeypatch.setattr(subprocess, "Popen", none_left)
        with pytest.raises(ExecutionError, match=r"a worker cannot be started in tier .*temporarily unavailable"):
            executor.run_one(GOOD)


def test_weak_isolation_is_refused_with_a_remedy(monkeypatch):
    problems = {"bwrap": "not installed", "landlock": "no such system call", "seccomp": "", "rlimits": ""}
    monkeypatch.setattr(tiers, "probe_isolation", lambda: problems)
    with pytest.raises(IsolationError, match=r"Missing: bwrap: not installed\. .*; landlock: no such system call\. To"):
        Executor(LIMITS, workers=1)
    with pytest.warns(UserWarning, match="weak isolation"):
        executor = Executor(LIMITS, workers=1, allow_unsafe=True)
    with executor:
        orphan = Program(
            "import os\ndef f():\n    os.fork() or (os.setsid(), __import__('time').sleep(99))\n    return 1", TESTS
        )
        assert executor.isolation == "C:seccomp+rlimits"
        assert [outcome.verdict for outcome in outcomes_of(executor, [GOOD, orphan])] == ["passed", "exception"]


def test_a_missing_preload_is_an_error():
    executor = Executor(LIMITS, workers=1, preload=("no_such_module",))
    with executor, pytest.raises(ExecutionError, match="No module named 'no_such_module'"):
        executor.run_one(GOOD)


def test_a_closed_executor_leaves_no_process_and_no_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Executor(LIMITS, workers=2, namespaces=False) as executor:
        outcomes_of(executor, [GOOD] * 4)
        pids = worker_pids(executor)
        assert len(list(tmp_path.glob("iterpref-execution-*"))) == 2
    assert len(pids) == 2
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert list(tmp_path.glob("iterpref-execution-*")) == []
    with pytest.raises(ExecutionError, match="executor is closed"):
        executor.run_one(GOOD)


@pytest.mark.parametrize("moment", ["__init__", "run"])
def test_a_close_right_after_a_start_ends_the_program(monkeypatch, moment):
    """The pool is closed when the worker has started, and when it is about to run the program."""
    executor = Executor(Limits(cpu_s=9, wall_s=60), workers=1)
    method = getattr(Worker, moment)

    def closing(worker, *args):
        if moment == "run":
            executor.close()
        done = method(worker, *args)
        executor.close()
        return done

    monkeypatch.setattr(Worker, moment, closing)
    start = time.monotonic()
    with pytest.raises(ExecutionError, match="the executor is closed"):
        executor.run_one(Program("import time\ndef f(): time.sleep(50)", TESTS))
    assert time.monotonic() - start < 40
    assert worker_pids(executor) == []
