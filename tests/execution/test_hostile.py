"""The hostile suite: every program gets the right verdict, reaches nothing, and leaves nothing behind.

Each file of `hostile/` starts with its verdicts (alternatives separated by `|`), those for programs that may have
processes where they differ, the kind of tests it is given, and what it must not achieve. `@CANARY@`, `PARENT_PID`,
`TCP_PORT` and `UDP_PORT` stand for a file outside, the supervisor's process id and two ports that the suite listens on;
`@NOTE@` and `iterpref-hostile` for a name that nobody else uses. After each program an honest one is run.
"""

import contextlib
import os
import re
import socket
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from iterpref_core.execution import Executor, Limits, Program, probe_isolation
from iterpref_core.execution.interpreters import Environment
from iterpref_core.records import AssertTest, IoTest, ScriptTest, UnittestTest
from tests.engines import outcomes_of

HOSTILE_FOLDER = Path(__file__).with_name("hostile")
HOSTILE = sorted(HOSTILE_FOLDER.glob("*.py"))
LIMITS = Limits(cpu_s=0.4, wall_s=4, memory_mb=256, output_kb=64, file_mb=4)

CASE = """class T(unittest.TestCase):
    def setUp(self): self.two = 2  # so that it is judged inside
    def test_two(self): self.assertEqual(f(self.two), 4)
"""
TESTS = {
    "io": (IoTest(call="f(2)", expected="4"), IoTest(call="f(3)", expected="9")),
    "one": (IoTest(call="f(1)", expected="1"),),
    "assert": (AssertTest(code="assert f(2) == 2 * 2"), AssertTest(code="assert f(3) == 3 * 3")),
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


def leftovers(name: str) -> set[str]:
    """What the hostile programs would leave in shared places."""
    folders = [Path(name) for name in ("/dev/shm", "/tmp", "/var/tmp", tempfile.gettempdir())]
    paths = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return {str(path) for path in paths if path.name == name}


def shared_memory_segments() -> str:
    """All with the key that the hostile program asks for."""
    lines = [line for kind in ("shm", "msg", "sem") for line in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()]
    return "".join(line for line in lines if line.split()[0] == "4711")


def header_of(source: str) -> dict[str, str]:
    return dict(re.findall(r"^# (verdict|with processes|tests|must not): (.*)$", source, re.MULTILINE))


ARENAS = ["A", "A with processes", "B"]
PLACES = 4
"""Zygotes at a time, in each of which hostile programs run one after the other: some wait for a limit."""


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ARENAS])
def arena(request, tmp_path_factory):
    """What all programs did in one tier, each of them followed by an honest one; and how everything was afterwards."""
    tier, processes = request.param[0], "processes" in request.param
    if tier == "A" and not BWRAP.available:
        pytest.skip(f"tier A cannot be had here: {BWRAP.problem}; {BWRAP.how}")
    canary = tmp_path_factory.mktemp("outside") / "canary"
    canary.write_text("alive")
    before, segments = canary.stat(), shared_memory_segments()
    note = f"note-{os.getpid()}-{tier}"
    environment = "processes" if processes else None
    honest = replace(HONEST, environment=environment)
    with listening(socket.SOCK_STREAM) as tcp, listening(socket.SOCK_DGRAM) as udp:
        words = {
            "@CANARY@": str(canary),
            "PARENT_PID": str(os.getpid()),
            "TCP_PORT": str(tcp.getsockname()[1]),
            "UDP_PORT": str(udp.getsockname()[1]),
            "iterpref-hostile": note,
            "@NOTE@": note,
        }

        def program(path):
            source = path.read_text()
            tests = TESTS[header_of(source)["tests"]]
            for word, meaning in words.items():
                source = source.replace(word, meaning)
            return Program(source, tests, environment=environment)

        def run(paths):
            """Outcomes by path, of honest programs too, and what was wrong with the zygote afterwards."""
            finder = program(HOSTILE_FOLDER / "find_the_note.py")
            with Executor(
                LIMITS,
                workers=1,
                namespaces=tier == "A",
                environments={"processes": Environment(sys.executable, processes=True)},
            ) as executor:
                assert executor.isolation.startswith(f"{tier}:")
                assert executor.run_one(honest).verdict == "passed"
                pids = executor.worker_pids()
                found, left = {}, []
                for path in paths:
                    found[path] = outcomes_of(executor, [program(path), honest])
                    if canary.read_text() != "alive":
                        left.append(f"{path.stem} changed the canary")
                found_note = executor.run_one(finder).feedback
                left += [found_note] * ("[False]" not in found_note)
                if executor.worker_pids() != pids:
                    return found, [*left, "a zygote died"]
                children = psutil.Process(pids[0]).children(recursive=True)
                own = 0 if tier == "B" else 1 if processes else 2
                return found, left + [f"{children} were left behind"] * (len(children) != own)

        with ThreadPoolExecutor(PLACES) as threads:
            parts = list(threads.map(run, [HOSTILE[place::PLACES] for place in range(PLACES)]))
        heard = []
        for listener in (tcp, udp):
            with contextlib.suppress(BlockingIOError):
                heard.append(listener.accept() if listener is tcp else listener.recv(1))
    after = canary.stat()
    return SimpleNamespace(
        processes=processes,
        found={path: outcomes for found, _ in parts for path, outcomes in found.items()},
        left=[what for _, left in parts for what in left] + sorted(leftovers(note)),
        heard=heard,
        canary_is_as_before=(after.st_mode, after.st_mtime, after.st_nlink) == (before.st_mode, before.st_mtime, 1),
        beside_the_canary=[path.name for path in canary.parent.iterdir()],
        segments_are_as_before=shared_memory_segments() == segments,
    )


@pytest.mark.parametrize("path", HOSTILE, ids=[path.stem for path in HOSTILE])
def test_hostile(arena, path):
    header = header_of(path.read_text())
    verdict = header["verdict"]
    if arena.processes:
        verdict = header.get("with processes", verdict)
    hostile, honest = arena.found[path]
    assert hostile.verdict in verdict.split("|"), hostile.feedback
    assert honest.verdict == "passed", honest.feedback
    assert "alive" not in hostile.feedback
    hostile.feedback.encode("utf-8")
    assert len(hostile.feedback) <= 600
    assert hostile.cpu_s <= 2 * LIMITS.cpu_s  # of the processor: not a matter of how busy the machine is
    assert hostile.tests_passed in (0, hostile.tests_total)


def test_nothing_is_reached_and_nothing_is_left(arena):
    assert arena.left == []
    assert arena.heard == []
    assert arena.canary_is_as_before
    assert arena.beside_the_canary == ["canary"]
    assert arena.segments_are_as_before


def test_the_suite_is_large_enough():
    assert len(HOSTILE) >= 60
