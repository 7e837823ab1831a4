"""Programs with processes and sockets do what they may, and reach and leave no other process or file.

The hostile suite also runs in this environment.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.execution.isolation import tiers
from iterpref_core.execution.isolation.interpreters import Environment
from iterpref_core.execution.isolation.pid_namespace import Processes
from iterpref_core.records import IoTest
from tests.engines import outcomes_of, worker_pids
from tests.execution.tiers import BWRAP
from tests.settings import ROOT

pytestmark = pytest.mark.named_tier

LIMITS = Limits(cpu_s=1, wall_s=20, memory_mb=4096, file_mb=4)
ENVIRONMENTS = {"processes": Environment(sys.executable, processes=True)}

HELPERS = """
import asyncio, ctypes, multiprocessing, os, random, signal, socket, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    # The error of a bare system call, 0 if it succeeds.
    return ctypes.get_errno() if libc.syscall(number, *map(ctypes.c_long, arguments)) < 0 else 0
def error(action):
    # The errno of an action, 0 if it succeeds.
    try:
        action()
    except OSError as raised:
        return raised.errno
    return 0
def shell(command):
    done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip()
"""
EPERM = 1


def program(body, expected=4, *, environment="processes", setup=""):
    """A function body and what it must return."""
    lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
    test = IoTest(call="f()", expected=repr(expected))
    return Program(f"{HELPERS}{setup}\ndef f():\n{lines}", (test,), environment=environment)


@pytest.fixture(scope="module")
def executor():
    """Tier A as it is here."""
    if BWRAP.problem:
        pytest.skip(f"tier A cannot be had here: {BWRAP.problem}; {BWRAP.how}")
    with Executor(LIMITS, workers=1, environments=ENVIRONMENTS) as executor:
        yield executor


@pytest.fixture(scope="module", params=["all layers", "without Landlock"])
def either(request):
    """Tier A as it is here, and as it is on a kernel that lacks Landlock."""
    if BWRAP.problem:
        pytest.skip(f"tier A cannot be had here: {BWRAP.problem}; {BWRAP.how}")
    plan = tiers.choose(allow_unsafe=False)
    if request.param != "all layers":
        plan = tiers.Plan("A", tuple(layer for layer in plan.layers if layer != "landlock"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiers, "choose", lambda **_: plan)
        opened = Executor(LIMITS, workers=1, environments=ENVIRONMENTS)
    with opened as executor:
        yield executor


def run(executor, *programs):
    """Return outcomes; afterwards only the zygotes are alive."""
    found = outcomes_of(executor, programs)
    alive = [child for pid in worker_pids(executor) for child in psutil.Process(pid).children(recursive=True)]
    assert len(alive) == len(worker_pids(executor)), alive
    return found


def passes(executor, body, expected, setup=""):
    (outcome,) = run(executor, program(body, expected, setup=setup))
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


# What is allowed


ALLOWED = {
    "shell": ("return shell('echo a | tr a b; exit 3')", "b"),
    "python": ("return shell(f'{sys.executable} -c \"import numpy; print(numpy.ones(2).sum())\"')", "2.0"),
    "pool": ("with multiprocessing.Pool(2) as pool: return pool.map(abs, [-1, 2])", [1, 2]),
    "spawn": ("with multiprocessing.get_context('spawn').Pool(1) as pool: return pool.map(abs, [-1])", [1]),
    "manager": ("with multiprocessing.Manager() as made: return len(made.list([1, 2]))", 2),
    "fork": ("pid = os.fork()\nif not pid: os._exit(7)\nreturn os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])", 7),
    "first number": ("return random.random()", random.Random(0).random()),
    "numbers of its own": (
        """
ours, theirs = os.pipe()
if os.fork() == 0:
    os.write(theirs, str(random.random()).encode())
    os._exit(0)
return os.read(ours, 99).decode() == str(random.random())
""",
        False,
    ),
    "signal": ("made = subprocess.Popen(['sleep', '9'])\nmade.terminate()\nreturn made.wait()", -15),
    "asyncio": (
        """
async def g():
    return await (await asyncio.create_subprocess_exec("true")).wait()
return asyncio.run(g())
""",
        0,
    ),
    "script": (
        """
with open("script", "w") as file:
    file.write("#!/bin/sh\\necho ran\\n")
os.chmod("script", 0o700)
return subprocess.check_output("./script")
""",
        b"ran\n",
    ),
    "times": ("open('s', 'w').close()\nos.utime('s', (1, 2))\nreturn os.stat('s').st_mtime", 2.0),
    "itself": ("return os.getpid() in {int(name) for name in os.listdir('/proc') if name.isdigit()}", True),
}


@pytest.mark.parametrize(("body", "expected"), ALLOWED.values(), ids=ALLOWED)
def test_a_program_may_have_processes(executor, body, expected):
    passes(executor, body, expected)


TALK = """
def talk(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as server, socket.socket(family, kind) as client:
        server.bind(address)
        if kind == socket.SOCK_DGRAM:
            client.sendto(b"hello", server.getsockname())
            return server.recv(9)
        server.listen()
        client.connect(server.getsockname())
        client.sendall(b"hello")
        with server.accept()[0] as connection:
            return connection.recv(9)
"""


@pytest.mark.parametrize(
    "how",
    [
        "socket.AF_INET, ('localhost', 0)",
        "socket.AF_INET, ('127.0.0.1', 0), socket.SOCK_DGRAM",
        "socket.AF_INET6, ('::1', 0)",
        "socket.AF_UNIX, 'named'",
        "socket.AF_UNIX, '\\0abstract'",
    ],
)
def test_its_processes_may_talk_to_each_other(executor, how):
    passes(executor, f"return talk({how})", b"hello", setup=TALK)


def test_without_namespaces_it_is_refused():
    body = "return [error(lambda: os.fork()), error(lambda: socket.socket()), error(lambda: os.kill(os.getppid(), 0))]"
    with Executor(LIMITS, workers=1, namespaces=False, environments=ENVIRONMENTS) as executor:
        outcome = executor.run_one(program(body, [EPERM] * 3))
    assert (outcome.verdict, outcome.isolation[:2]) == ("passed", "B:")


# Too much


BOMBS = {
    "fork": "while True: os.fork()",
    "shell": "subprocess.run(['bash', '-c', 'b() { b | b & b; }; b'])\ntime.sleep(9)",
    "threads": "threading.stack_size(2**15)\nwhile True: threading.Thread(target=time.sleep, args=(9,)).start()",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_noticed_and_named(executor, bomb):
    pids = worker_pids(executor)
    hostile, honest = run(executor, program(bomb), program("return 4"))
    assert hostile.verdict == "crash"
    assert "processes or" in hostile.feedback
    assert honest.verdict == "passed"
    assert worker_pids(executor) == pids or not pids


@pytest.mark.parametrize(
    "body",
    [
        "for _ in range(3): os.fork()\nwhile True: pass",
        "while True: subprocess.run([sys.executable, '-S', '-c', 'for n in range(10**6): pass'])",
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n    while True: pass\ntime.sleep(99)",
    ],
    ids=["at once", "one after the other", "daemon"],
)
def test_the_cpu_time_of_all_processes_counts(executor, body):
    limit_s = 0.4
    (outcome,) = run(executor, replace(program(body), cpu_s=limit_s))
    assert (outcome.verdict, outcome.feedback[:24]) == ("timeout", "time limit of 0.4 s exce")
    assert limit_s <= outcome.cpu_s < 2 * limit_s


def test_shared_memory_is_bounded_and_emptied(executor):
    fill = "for n in range(99): open(f'/dev/shm/{n}', 'wb').write(bytes(10**6))\nreturn 4"
    fills = "open('/dev/shm/small', 'w').write('x')\nreturn 4"
    found = run(executor, program(fill), program(fills), program("return os.listdir('/dev/shm')", []))
    assert [outcome.verdict for outcome in found] == ["exception", "passed", "passed"]


# What would go on


def test_a_daemon_ends_with_its_program_and_writes_nothing_later(executor):
    leave = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for stop in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(stop, signal.SIG_IGN)
        time.sleep(0.5)
        while True:
            open("/job/late", "w").close()
            open("/dev/shm/late", "w").close()
    os._exit(0)
return 4
"""
    look = """
time.sleep(1)
return [os.listdir("/iterpref-job"), os.listdir("/dev/shm"), sum(name.isdigit() for name in os.listdir("/proc"))]
"""
    found = run(executor, program(leave), program(look, [["code", "tmp", "w"], [], 2]))
    assert [(outcome.verdict, outcome.feedback) for outcome in found] == [("passed", "")] * 2


@pytest.mark.slow
def test_processes_end_with_the_supervisor():
    if BWRAP.problem:
        pytest.skip(BWRAP.problem)
    mark = f"98765.{os.getpid()}"
    body = f"for _ in range(9): subprocess.Popen(['sleep', '{mark}'], start_new_session=True)\ntime.sleep(99)"
    supervisor = f"""
import sys
from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.execution.isolation.interpreters import Environment
from iterpref_core.records import IoTest
sleeps = Program({program(body).code!r}, (IoTest(call="f()", expected="4"),), environment="p")
environments = {{"p": Environment(sys.executable, processes=True)}}
with Executor(Limits(wall_s=99), workers=1, environments=environments) as executor:
    executor.run_one(sleeps)
"""

    def sleepers():
        return sum(mark in made.info["cmdline"] for made in psutil.process_iter(["cmdline"]) if made.info["cmdline"])

    with subprocess.Popen([sys.executable, "-c", supervisor], cwd=ROOT) as started:
        while sleepers() < 9:
            assert started.poll() is None
            time.sleep(0.05)
        started.send_signal(signal.SIGKILL)
    for _ in range(600):
        if not sleepers():
            break
        time.sleep(0.05)
    assert not sleepers()


# What is out of reach


def test_the_zygote_cannot_be_signalled(either):
    run(either, program("return 4"))
    pids = worker_pids(either)
    attacks = """
folder = os.open("/proc/1", os.O_RDONLY)
found = [error(lambda: os.kill(pid, number)) for pid in (1, -1) for number in (9, 19, 2, 15)]
found += [call(234, 1, 1, 9), call(200, 1, 9) > 0, call(129, 1, 9, 0) > 0, call(297, 1, 1, 9, 0) > 0]
found += [call(424, folder, 9, 0, 0) > 0, call(302, 1, 0, 0, 0), call(109, 0, 1) > 0]
found += [error(lambda: os.setpriority(os.PRIO_PROCESS, 1, 19)), error(lambda: os.sched_setaffinity(1, {0}))]
return found + [shell("kill -9 1; kill -9 -1; kill -STOP 1; kill -INT 1; echo alive")[-5:]]
"""
    passes(either, attacks, [EPERM] * 9 + [True] * 4 + [EPERM, True, EPERM, EPERM, "alive"])
    everybody = "for name in os.listdir('/proc'):\n    if name.isdigit(): shell(f'kill -9 {name}')\nreturn 4"
    (outcome,) = run(either, program(everybody))
    assert outcome.verdict == "crash"  # it has killed itself
    assert worker_pids(either) == pids


def test_the_zygote_and_the_harness_cannot_be_read_traced_or_changed(either):
    body = """
def refused(action):
    try:
        return not action()
    except OSError:
        return True
found = {}
for pid in (1, os.getpid()):
    for name, action in {
        "mem": lambda: open(f"/proc/{pid}/mem", "rb+"),
        "environ": lambda: open(f"/proc/{pid}/environ", "rb").read(),
        "maps": lambda: open(f"/proc/{pid}/maps").read(),
        "root": lambda: os.listdir(f"/proc/{pid}/root"),
        "fd": lambda: [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")],
        "oom": lambda: open(f"/proc/{pid}/oom_score_adj", "w").write("1000"),
        "ptrace": lambda: call(101, 16, pid, 0, 0) == 0,
        "read": lambda: call(310, pid, 0, 0, 0, 0, 0) == 0,
        "descriptor": lambda: call(438, os.pidfd_open(pid), 0, 0) == 0,
    }.items():
        made = os.fork()
        if made == 0:
            os._exit(0 if refused(action) else 1)
        found[pid == 1, name] = os.waitpid(made, 0)[1] == 0
return [key for key, refused in found.items() if not refused]
"""
    passes(either, body, [])


def test_no_namespaces_mounts_or_other_sockets(either):
    body = """
found = [call(272, 0x10000000), call(272, 0x20000), call(165, 0, 0, 0, 0, 0), call(56, 0x10000011, 0, 0, 0, 0)]
found += [call(56, 0x40000011, 0, 0, 0, 0), call(56, 0x8011, 0, 0, 0, 0), call(308, 0, 0), call(321, 0, 0, 0)]
for arguments in ((16, 3, 0), (17, 3, 0), (2, 3, 1), (40, 1, 0), (2, 1, 262), (2, 1, 132), (38, 5, 0)):
    found.append(error(lambda: socket.socket(*arguments)))
found.append(error(lambda: socket.socket().setsockopt(132, 1, b"x")))
return found + [call(435, 0, 0), call(425, 1, 0), shell("unshare -r true 2>&1 | grep -c 'not permitted'")]
"""
    passes(either, body, [EPERM] * 16 + [38, 38, "1"])


def test_nothing_answers_from_outside(either):
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        name = f"iterpref-test-{os.getpid()}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        udp.bind(("127.0.0.1", 0))
        address = next(iter(socket.gethostbyname_ex(socket.gethostname())[2]), "127.0.0.1")
        body = f"""
connect = lambda host: error(lambda: socket.create_connection((host, {tcp.getsockname()[1]}), 1)) > 0
abstract = error(lambda: socket.socket(socket.AF_UNIX).connect("\\0{name}")) > 0
socket.socket(2, 2).sendto(b"x", ("127.0.0.1", {udp.getsockname()[1]}))
return [connect("127.0.0.1"), connect({address!r}), connect("10.0.0.1"), abstract]
"""
        passes(either, body, [True] * 4)
        for listener in (tcp, abstract, udp):
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.recv(1) if listener is udp else listener.accept()


def test_no_file_of_the_users_and_none_outside_can_be_written(either, tmp_path):
    (tmp_path / "secret").write_text("canary")
    hidden = ["/etc/shadow", "/etc/passwd", str(ROOT / "pyproject.toml"), str(ROOT / "iterpref_core/records/errors.py")]
    hidden += [str(Path.home() / name) for name in (".bashrc", ".profile", ".ssh", ".gitconfig")]
    hidden += [str(tmp_path / "secret"), "/home", "/var", "/run", "/usr/src", "/usr/local/etc"]
    inside = str(ROOT / "iterpref_core/execution/sandbox/zygote.py")
    body = f"""
hidden = {hidden!r}
shown = [path for path in hidden if not error(lambda: os.listdir(path) if os.path.isdir(path) else open(path).read())]
shown += [path for path in hidden if not subprocess.run(["bash", "-c", f"cat {{path}} || ls {{path}}/"],
          capture_output=True).returncode]
places = ["/", "/bin", "/usr/bin", "/usr/lib", "/usr/local/lib", "/etc", "/proc/sys/kernel", "/dev", "/tmp/../..",
          os.path.dirname(sys.executable), os.path.dirname(os.path.dirname(os.__file__)), {str(tmp_path)!r}]
made = [place for place in places if not error(lambda: open(os.path.join(place, "iterpref-hostile"), "w"))]
made += [place for place in places if "yes" in shell(f"touch {{place}}/iterpref-hostile 2>/dev/null && echo yes")]
changed = [path for path in ({inside!r}, "/bin/sh", sys.executable, "/etc/hosts")
           for action in (lambda: os.utime(path), lambda: os.chmod(path, 0o777), lambda: open(path, "a"))
           if not error(action)]
return shown + made + changed
"""
    passes(either, body, [])


def test_no_program_has_more_privileges(either):
    body = """
import shutil
shutil.copy("/usr/bin/id", "mine")
os.chmod("mine", 0o6755)
status = shell("grep -E '^(CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status").split()[1::2]
same = shell("./mine -u") == str(os.getuid()) == shell("id -u") and shell("./mine -g") == str(os.getgid())
return [set(status[:4]), status[4:], same, shell("su -c true root; mount -t tmpfs x /tmp; echo $?")[-2:].strip() != "0"]
"""
    passes(either, body, [{"0" * 16}, ["1", "2"], True, True])


# Verdicts cannot be forged by copies of the program


DAEMON_PASSES = """
if os.fork():
    os.wait()
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
return 4
"""
COPY_WRITES = """
if os.fork() == 0:
    for number in range(1100):
        error(lambda: {})
    os._exit(0)
os.wait()
return 5
"""
COMMAND_WRITES = """
for number in range(3, 1024):
    error(lambda: os.set_inheritable(number, True))
subprocess.run(["bash", "-c", "for n in /proc/self/fd/*; do echo 0 done 0 > $n; done"], close_fds=False)
return 5
"""
FORGERIES = {
    "the copy returns the right value": ("return 4 if os.fork() == 0 else 5", {"wrong_answer"}),
    "the program ends, its copy passes": ("if os.fork(): os._exit(0)\nreturn 4", {"exited_early"}),
    "the copy kills the program": ("if os.fork() == 0: os.kill(os.getppid(), 9)\nos.wait()\nreturn 4", {"crash"}),
    "the program waits, its copy passes": ("if os.fork(): time.sleep(99)\nreturn 4", {"timeout"}),
    "the program ends, a daemon passes": (DAEMON_PASSES, {"exited_early"}),
    "the copy writes": (COPY_WRITES.format("os.write(number, b'0 done 0 \\n')"), {"tampered", "wrong_answer"}),
    "a command writes": (COMMAND_WRITES, {"tampered", "wrong_answer"}),
}


@pytest.mark.parametrize(("body", "verdicts"), FORGERIES.values(), ids=FORGERIES)
def test_only_the_process_that_was_started_reports(executor, body, verdicts, monkeypatch):
    if verdicts == {"timeout"}:  # it does nothing until the limit of real time
        monkeypatch.setattr(executor, "limits", replace(LIMITS, wall_s=3))
    hostile, honest = run(executor, program(body), program("return 4"))
    assert hostile.verdict in verdicts, hostile.feedback
    assert honest.verdict == "passed"


def test_the_zygote_ends_nobody_outside_a_namespace():
    with pytest.raises(RuntimeError, match="not the first process"):
        Processes(1, 0)
