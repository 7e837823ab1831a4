"""Zygote: a small, clean interpreter that forks one child per program and watches it.

Its standard input is a socket: frames come from it (length, then bytes), and each is answered on it. The first frame is
the configuration, the others are jobs. It never parses a job: only the child does, after it is restricted.

Where programs may have processes of their own, it is the first process of a pid namespace: none of them can signal it,
and it ends them all at once.
"""

import _sitebuiltins
import builtins
import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import struct
import sys
import time
from typing import Any

from . import harness, landlock, limits, seccomp
from .cleanup import empty_folder, is_over
from .pid_namespace import Processes, connect, leaves_connections, receive_listener, send_listener, try_listener

_HEADER = struct.Struct("=II")
_LENGTH = struct.Struct("=I")
_TIMES = struct.Struct("=ddd")
HEAD_OF_OUTPUT = 2000
"""Bytes of a program's printed output that are passed on."""

FIRST_LOOK_S, LOOK_S = 0.05, 0.25
"""Seconds after which a child's files are measured for the first time, and at most between two times."""
MAX_ENTRIES = 10_000
"""Files and folders a program may have."""
SHARED_MEMORY = "/dev/shm"
"""Where processes share memory and semaphores; programs that may not have any cannot write there."""
BUSY = 0.1
"""Share of its time limit that a program may have waited for a CPU before its timeout does not count: a busy machine
also makes CPU time longer, since caches and cores are shared."""

_PRELOADED = ("array", "dataclasses", "datetime", "heapq", "queue", "statistics", "string", "textwrap", "typing")
"""With what they import: `statistics` brings `decimal`, `fractions`, `random` and others."""
_NAMESPACES = ("/proc", "/etc/hosts", "/etc/nsswitch.conf")
"""What is readable besides where it tells of the program's own namespaces alone."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def read_exactly(size: int) -> bytes:
    """Bytes from the supervisor.

    Raises:
        EOFError: it is gone.
    """
    parts = []
    while size:
        part = os.read(0, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_frame() -> bytes:
    """The next frame from the supervisor."""
    return read_exactly(_LENGTH.unpack(read_exactly(_LENGTH.size))[0])


def send(facts: dict[str, Any], blob: bytes = b"") -> None:
    """Answer the supervisor: facts as JSON, then raw bytes."""
    head = json.dumps(facts).encode()
    data = memoryview(_HEADER.pack(len(head), len(blob)) + head + blob)
    while data:
        data = data[os.write(0, data) :]


def was_busy(pid: int, limit_s: float) -> bool:
    """Whether a program that reached a time limit wanted to run for much of that time and was not let."""
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            waited = int(file.read().split()[1]) / 1e9
    except (OSError, IndexError):
        return False  # a kernel without scheduler statistics: nothing says that it was
    return waited > BUSY * limit_s


class Tests:
    """How long a program has been at its current test: since its channel last grew, as far as somebody looked.

    Loading the program counts towards all its tests together alone.
    """

    def __init__(self, channel: int, limit_s: float) -> None:
        self.limit_s = limit_s
        self._channel, self._size, self._began = channel, 0, 0.0

    def left(self, used_s: float) -> float:
        """CPU seconds that the current test still has, when the program has used so many in all."""
        size = os.fstat(self._channel).st_size
        if size == 0:
            return self.limit_s
        if size != self._size:
            self._size, self._began = size, used_s
        return self.limit_s - (used_s - self._began)


class Zygote:
    """State that all children of one zygote share; see `run_job` for the life of a child."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.budget = limits.ResourceBudget(**config["limits"])
        self.root: str = config["root"]
        self.folder = os.path.join(self.root, "w")
        self.pid = os.getpid()
        self.disk_bytes: int = config["disk_mb"] * 2**20
        self.ruleset: int | None = None
        self.filter: seccomp.Filter | None = None
        self.processes: bool = config["processes"]
        self.writable = [self.root, SHARED_MEMORY] if self.processes else [self.root]
        limits.drop_capabilities()
        limits.hide_memory()
        if self.processes:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # without a handler, no signal of a program's gets through
        if config["landlock"]:
            readable = [*config["readable"], *(_NAMESPACES if self.processes else ())]
            self.ruleset = landlock.create_ruleset(readable, self.writable, _DEVICES, processes=self.processes)
        if config["seccomp"]:
            self.filter = seccomp.Filter(processes=self.processes)
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.top_descriptor = min(soft if soft > 0 else 1024, 1024) - 1
        self.base = limits.address_space()

    def child(self, job: bytes, channel: int, output: int, connection: int | None) -> None:
        """Restrict this process for good and run the job in it."""
        limits.die_with_parent(self.pid)
        os.setsid()
        os.chdir(self.folder)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        high = self.top_descriptor - int.from_bytes(os.urandom(1), "little")
        os.dup2(channel, high, inheritable=False)
        ruleset = self.ruleset
        if ruleset is not None:
            landlock.enforce(ruleset)
        if connection is not None:
            os.dup2(connection, 3)
        os.closerange(3 if connection is None else 4, 64)
        limits.set_limits(self.budget, self.base)
        if self.filter is not None:
            listener = self.filter.install()
            if listener:
                send_listener(3, listener)
        harness.run_job(job[_TIMES.size :], high)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                continue  # the program closed or replaced it, which is its right

    def run_job(self, job: bytes) -> None:
        """Fork a child for a job, wait for its end or end it, clean up after it and answer the supervisor.

        A job starts with its time limits, in seconds: CPU and real time of all tests, CPU time of each.
        """
        cpu_s, wall_s, test_cpu_s = _TIMES.unpack_from(job)
        self.budget = self.budget._replace(cpu_s=cpu_s, wall_s=wall_s)
        os.mkdir(self.folder)
        channel, output = os.memfd_create("channel"), os.memfd_create("output")
        ours, theirs = connect() if self.processes else (None, None)
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                self.child(job, channel, output, theirs)
                status = 0
            finally:
                os._exit(status)
        crowd = None
        if ours is not None and theirs is not None:
            os.close(theirs)
            crowd = Processes(pid, receive_listener(ours))
        killed = self.watch(pid, started, Tests(channel, test_cpu_s), crowd)
        wall = time.monotonic() - started
        status, cpu = self.end(pid) if crowd is None else crowd.end()
        facts = {
            "killed": killed,
            "exit": os.waitstatus_to_exitcode(status),
            "cpu": cpu,
            "wall": wall,
            "printed": os.lseek(output, 0, os.SEEK_END),
            "worn": crowd is not None and leaves_connections(),
        }
        head = os.pread(output, HEAD_OF_OUTPUT, 0)
        facts["head"] = len(head)
        size = os.lseek(channel, 0, os.SEEK_END)
        send(facts, head + os.pread(channel, size, 0))
        os.close(channel)
        os.close(output)
        for folder in self.writable:
            empty_folder(folder)

    def end(self, pid: int) -> tuple[int, float]:
        """End and reap the child; returns its exit status as `waitpid` has it, and its CPU seconds."""
        self.end_session(pid)
        _, status, usage = os.wait4(pid, 0)
        return status, usage.ru_utime + usage.ru_stime

    def leave(self) -> None:
        """Remove this zygote's folder, and the one it is in if it was the last there: the supervisor is gone."""
        empty_folder(self.root)
        with contextlib.suppress(OSError):  # other zygotes are still in it, or it is not ours to remove (tier A)
            os.rmdir(self.root)
            os.rmdir(os.path.dirname(self.root))

    def watch(self, pid: int, started: float, tests: Tests, crowd: Processes | None) -> str | None:
        """Wait until a child ends, or it and its processes reach a limit. Returns the limit that was hit, if any.

        Raises:
            EOFError: the supervisor is gone; so is the child.
        """
        process = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(process, select.POLLIN)
        poll.register(0, 0)
        if crowd is not None:
            poll.register(crowd.listener, select.POLLIN)
        pause, looked = FIRST_LOOK_S, started
        try:
            while True:
                limit, wait = self.limit_hit(pid, started, tests, crowd)
                if limit:
                    return limit
                events = dict(poll.poll(min(wait, pause) * 1000 + 1))
                if process in events:
                    return None
                if 0 in events:
                    _ = self.end(pid) if crowd is None else crowd.end()
                    raise EOFError
                if crowd is not None and crowd.listener in events and not crowd.admit():
                    return "processes"
                if time.monotonic() - looked < pause:
                    continue
                if any(is_over(folder, self.disk_bytes, MAX_ENTRIES) for folder in self.writable):
                    return "disk"
                pause, looked = min(2 * pause, LOOK_S), time.monotonic()
        finally:
            os.close(process)

    def limit_hit(self, pid: int, started: float, tests: Tests, crowd: Processes | None) -> tuple[str | None, float]:
        """The limit of time or threads that is reached, if any, and the seconds until the next could be."""
        wall = self.budget.wall_s - (time.monotonic() - started)
        clock = (~pid << 3) | 2  # the kernel's CPU-time clock of another process
        used, crowded = (time.clock_gettime(clock), False) if crowd is None else crowd.look()
        cpu, test = self.budget.cpu_s - used, tests.left(used)
        if crowded:
            return "processes", 0.0
        if cpu <= 0:
            return "slowed" if was_busy(pid, self.budget.cpu_s) else "cpu", 0.0
        if test <= 0:
            return "slowed in a test" if was_busy(pid, tests.limit_s) else "test", 0.0
        if wall <= 0:
            return "starved" if was_busy(pid, self.budget.wall_s) else "wall", 0.0
        at_once = 1 if crowd is None else os.cpu_count() or 1
        return None, min(wall, max(min(cpu, test) / at_once, 0.002))

    @staticmethod
    def end_session(pid: int) -> None:
        """Kill a child and all of its process group; the child is not reaped yet, so the id is still its own."""
        os.kill(pid, signal.SIGKILL)
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return  # it never became a group, or only the dead leader is left of it


def preload(names: list[str], site: list[str]) -> None:
    """Import modules that programs are likely to need; what is absent here is absent for programs too."""
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.dirname(__file__))] + site
    for name in _PRELOADED:
        importlib.import_module(name)
    for name in names:
        importlib.import_module(name)
    for name in ("exit", "quit"):  # `site`, which is not imported, would have made them
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D"))


def ask_before_times() -> None:
    """Have `os.utime`, whose success seccomp pretends, fail on an absent file: `Path.touch` makes the file then."""
    utime = os.utime

    def ask_first(path: Any, *args: Any, **named: Any) -> None:
        os.stat(path, dir_fd=named.get("dir_fd"))
        utime(path, *args, **named)

    os.utime = ask_first


def hide() -> None:
    """Take the zygote's own traces out of a program's easy reach."""
    os.environ.clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "sandbox"]:
        del sys.modules[name]
    main = type(sys)("__main__")
    sys.modules["__main__"] = main
    sys.argv = ["solution.py"]


def main() -> None:
    """Serve jobs until the supervisor closes the socket."""
    os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
    config = json.loads(read_frame())
    sys.executable = config["executable"]
    try:
        preload(config["preload"], config["site"])
        zygote = Zygote(config)
        if zygote.processes:
            try_listener()
        else:
            ask_before_times()
    except Exception as error:  # noqa: BLE001 - the supervisor raises it again
        send({"error": f"{type(error).__name__}: {error}"})
        return
    hide()
    gc.collect()
    gc.freeze()
    send({"ready": True})
    try:
        while True:
            zygote.run_job(read_frame())
    except EOFError:
        zygote.leave()
