"""The hostile suite: every program gets the right verdict, reaches nothing, and leaves nothing behind.

Each file of `hostile/` starts with its verdicts (alternatives separated by `|`), those for programs that may have
processes where they differ, the kind of tests it is given, and what it must not achieve. `@CANARY@`, `PARENT_PID`,
`TCP_PORT` and `UDP_PORT` stand for a file outside, the supervisor's process id and two ports that the suite listens on.
After each program an honest one is run.
"""

import os
import re
import socket
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from iterpref_core.execution import Executor, Limits, Program, probe_isolation
from iterpref_core.execution.environments import Environment
from iterpref_core.records import AssertTest, IoTest, ScriptTest, UnittestTest

HOSTILE = sorted((Path(__file__).parent / "hostile").glob("*.py"))
LIMITS = Limits(cpu_s=0.4, wall_s=1.2, memory_mb=256, output_kb=64, file_mb=4)

CASE = "class T(unittest.TestCase):\n    def test_two(self): self.assertEqual(f(2), 4)\n"
TESTS = {
    "io": (IoTest(call="f(2)", expected="4"), IoTest(call="f(3)", expected="9")),
    "one": (IoTest(call="f(1)", expected="1"),),
    "assert": (AssertTest(code="four = 4\nassert f(2) == four"), AssertTest(code="nine = 9\nassert f(3) == nine")),
    "isclose": (AssertTest(code="import math\nassert math.isclose(f(2), 4.0)"),),
    "unittest": (UnittestTest(code=CASE),),
    "script": (
        ScriptTest(
            module="solution",
            files={"t.py": f"import unittest\nfrom solution import f\n{CASE}unittest.main(exit=False)"},
            run="t.py",
        ),
    ),
}
HONEST = Program(
    "import os\ndef f(x): return [x, os.listdir('.'), len(os.environ)]", (IoTest(call="f(2)", expected="[2, [], 0]"),)
)
BWRAP = next(report for report in probe_isolation() if report.name == "bwrap")


def listening(kind: socket.SocketKind) -> socket.socket:
    listener = socket.socket(socket.AF_INET, kind)
    listener.bind(("127.0.0.1", 0))
    listener.setblocking(False)
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


def leftovers() -> set[str]:
    """What the hostile programs would leave in shared places."""
    folders = [Path(name) for name in ("/dev/shm", "/tmp", "/var/tmp", tempfile.gettempdir())]
    paths = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return {str(path) for path in paths if path.name in ("iterpref-hostile", "note")}


def shared_memory_segments() -> str:
    return "".join(Path(f"/proc/sysvipc/{kind}").read_text() for kind in ("shm", "msg", "sem"))


@pytest.fixture(scope="module", params=["A", "A with processes", "B"])
def arena(request, tmp_path_factory):
    """An executor in one tier, and what the programs are after."""
    tier, processes = request.param[0], "processes" in request.param
    if tier == "A" and not BWRAP.available:
        pytest.skip(f"tier A cannot be had here: {BWRAP.problem}; {BWRAP.how}")
    canary = tmp_path_factory.mktemp("outside") / "canary"
    canary.write_text("alive")
    before = canary.stat()
    segments = shared_memory_segments()
    with (
        listening(socket.SOCK_STREAM) as tcp,
        listening(socket.SOCK_DGRAM) as udp,
        Executor(
            LIMITS,
            workers=1,
            namespaces=tier == "A",
            environments={"processes": Environment(sys.executable, processes=True)},
        ) as executor,
    ):
        assert executor.isolation.startswith(f"{tier}:")
        environment = "processes" if processes else None
        honest = replace(HONEST, environment=environment)
        assert next(executor.run([honest])).verdict == "passed"
        pids = executor.worker_pids()
        words = {
            "@CANARY@": str(canary),
            "PARENT_PID": str(os.getpid()),
            "TCP_PORT": str(tcp.getsockname()[1]),
            "UDP_PORT": str(udp.getsockname()[1]),
        }
        yield SimpleNamespace(executor=executor, words=words, canary=canary, environment=environment, honest=honest)
        assert executor.worker_pids() == pids, "a zygote died"
        left = psutil.Process(pids[0]).children(recursive=True)
        own = 0 if tier == "B" else 1 if processes else 2
        assert len(left) == own, f"processes were left behind: {left}"
        for listener in (tcp, udp):
            with pytest.raises(BlockingIOError):
                listener.accept() if listener is tcp else listener.recv(1)
    after = canary.stat()
    assert (after.st_mode, after.st_mtime, after.st_nlink) == (before.st_mode, before.st_mtime, 1)
    assert [path.name for path in canary.parent.iterdir()] == ["canary"]
    assert leftovers() == set()
    assert shared_memory_segments() == segments


@pytest.mark.parametrize("path", HOSTILE, ids=[path.stem for path in HOSTILE])
def test_hostile(arena, path):
    source = path.read_text()
    header = dict(re.findall(r"^# (verdict|with processes|tests|must not): (.*)$", source, re.MULTILINE))
    verdict = header["verdict"]
    if arena.environment:
        verdict = header.get("with processes", verdict)
    for word, meaning in arena.words.items():
        source = source.replace(word, meaning)
    program = Program(source, TESTS[header["tests"]], environment=arena.environment)
    hostile, honest = arena.executor.run([program, arena.honest])
    assert hostile.verdict in verdict.split("|"), hostile.feedback
    assert honest.verdict == "passed", honest.feedback
    assert arena.canary.read_text() == "alive"
    assert "alive" not in hostile.feedback
    hostile.feedback.encode("utf-8")
    assert len(hostile.feedback) <= 600
    assert hostile.cpu_s <= LIMITS.cpu_s * 1.2
    assert hostile.tests_passed in (0, hostile.tests_total)


def test_the_suite_is_large_enough():
    assert len(HOSTILE) >= 60
