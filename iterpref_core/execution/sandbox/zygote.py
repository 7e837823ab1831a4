"""Zygote: a small, clean interpreter that forks one child per program and watches it.

Its standard input is a socket: frames come from it (length, then bytes), and each job is answered on it. The first
frame is the configuration, the others are jobs. It never parses a job, nor holds one: each child reads its own from the
socket, and parses it after it is restricted.

Where programs may have processes of their own, it is the first process of a pid namespace: none of them can signal it,
and it ends them all at once.
"""

import _sitebuiltins
import builtins
import contextlib
import fcntl
import functools
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from ..frames import LENGTH, AnswerHead, JobHead, Settings, framed, pour_frame, read_frame, write_all
from ..isolation import landlock, limits, seccomp
from ..isolation.cleanup import empty_folder, is_over, remove_folder
from ..isolation.deadlines import Deadlines
from ..isolation.pid_namespace import Processes, connect, leaves_connections, receive_listener, send_listener
from ..isolation.process_limits import MAX_THREADS
from ..protocol.steps import ValueStep, packed
from ..solution.loading import seed
from . import child
from .turns import Turns, asked

HEAD_OF_OUTPUT = 2000
"""Bytes of a program's printed output that are passed on, where no more are wanted."""
MAX_CHANNEL = 64 << 20
"""Bytes of reports that are passed on; a report that is cut off there counts as none."""

LOOK_S = 0.1
"""Real seconds between two measures of a child's files."""
MAX_ENTRIES = 10_000
"""Files and folders a program may have."""
SHARED_MEMORY = "/dev/shm"
"""Folder of shared memory and semaphores; a program that must stay one process cannot write there."""

_PRELOADED = ("array", "dataclasses", "datetime", "heapq", "queue", "statistics", "string", "textwrap", "typing")
"""With their own imports: `statistics` brings `decimal`, `fractions`, `random` and others."""
REHEARSED = "def f(x):\n    return x[1:]\n"
"""A program whose second test fails."""
OWN_CALLS = 7
"""Calls of this project's between `serve` and a test: from `Zygote.run_job` to `child.Child.run` and its runner."""
REHEARSALS = 20
"""Python 3.11 looks at the types of values in code that has run eight times."""
_NAMESPACES = ("/proc", "/etc/hosts", "/etc/nsswitch.conf")
"""Paths that are readable besides if a program has processes: they tell of its own namespaces alone."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


from_supervisor = functools.partial(os.read, 0)


def say(facts: dict[str, Any]) -> None:
    """Tell the supervisor, before the first job, whether this process is ready."""
    write_all(0, framed(json.dumps(facts).encode()))


def send(head: AnswerHead, parts: Iterable[tuple[int, int]]) -> None:
    """Answer the supervisor: the head, then the beginnings of files, each of which is a frame.

    The kernel copies the files: a program's output and values are never in this process's memory, of which the
    next program gets a copy.

    Args:
        head: of the answer.
        parts: descriptors, and the number of bytes wanted of each.
    """
    write_all(0, framed(head.pack()))
    for descriptor, most in parts:
        size = min(most, os.fstat(descriptor).st_size)
        write_all(0, LENGTH.pack(size))
        sent = 0
        while sent < size:
            sent += os.sendfile(0, descriptor, sent, size - sent)


class Files:
    """The files that a program has from its start, in memory: standard input, output and error, and its channel.

    Standard output and standard error are one file, but for a script on a console.
    """

    def __init__(self, *, console: bool, turns: bool) -> None:
        self.channel = os.memfd_create("channel")
        self.output = os.memfd_create("output")
        self.stdout = os.memfd_create("stdout") if console else self.output
        self.stdin = os.memfd_create("stdin") if console else os.open("/dev/null", os.O_RDONLY)
        self.turns = Turns(self.channel) if turns else None

    def fill_stdin(self, text: memoryview) -> None:
        """Write the standard input of this process's program, and open the file anew, as `< file` opens it."""
        while text:
            text = text[os.write(self.stdin, text) :]
        self.stdin = os.open(f"/proc/self/fd/{self.stdin}", os.O_RDONLY)

    def printed(self) -> int:
        """Return the bytes printed so far."""
        return sum(os.fstat(descriptor).st_size for descriptor in {self.output, self.stdout})

    def parts(self, keep: int) -> list[tuple[int, int]]:
        """Return the supervisor's parts: the beginning of the output, at least so many bytes, and the channel."""
        reports = self.channel
        if self.turns:
            self.turns.keep()
            reports = self.turns.reports
        return [(self.stdout, max(keep, HEAD_OF_OUTPUT)), (reports, MAX_CHANNEL)]

    def close(self) -> None:
        """Close all; the child has its own."""
        if self.turns:
            self.turns.close()
        for descriptor in {self.channel, self.output, self.stdout, self.stdin}:
            os.close(descriptor)


class OneProcess:
    """A program that may have no process but its own; used like `Processes`."""

    cpus = 1
    listener: int | None = None

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def look(self) -> tuple[float, bool]:
        """Return the CPU seconds used, and whether there are too many threads."""
        # A folder has a link for each folder in it: the kernel counts the threads.
        threads = os.stat(f"/proc/{self._pid}/task").st_nlink - 2
        used_s = time.clock_gettime((~self._pid << 3) | 2)  # the kernel's CPU-time clock of another process
        return used_s, threads > MAX_THREADS

    def admit(self) -> bool:
        """Return True: nothing is announced."""
        return True

    def end(self) -> tuple[int, float]:
        """Kill and reap the program; return its exit status as `waitpid` has it, and its CPU seconds."""
        os.kill(self._pid, signal.SIGKILL)
        # There may be no group, or its dead leader alone is left. Until that one is reaped, the id is still its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        _, status, usage = os.wait4(self._pid, 0)
        return status, usage.ru_utime + usage.ru_stime


class Zygote:
    """State that all children of one zygote share; see `run_job` for the life of a child."""

    def __init__(self, settings: Settings) -> None:
        self.folder = os.path.join(settings.root, "w")
        # What `/tmp` leads to in tier A; in tier B it is the machine's own, and closed.
        self.temporary = os.path.join(settings.root, "tmp") if "bwrap" in settings.layers else ""
        self.pid = os.getpid()
        self.disk_bytes = settings.disk_mb * 2**20
        self.ruleset: int | None = None
        self.filter: seccomp.Filter | None = None
        self.processes = settings.processes
        self.writable = [settings.root]
        if self.processes:
            self.writable.append(SHARED_MEMORY)
        limits.drop_capabilities()
        limits.refuse_privileges()
        limits.hide_memory()
        if self.processes:
            # Without a handler, no signal of a program's gets through.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        if "landlock" in settings.layers:
            readable = [*settings.readable, *(_NAMESPACES if self.processes else ())]
            self.ruleset = landlock.create_ruleset(readable, self.writable, _DEVICES, processes=self.processes)
        if "seccomp" in settings.layers:
            self.filter = seccomp.Filter(processes=self.processes, metadata="bwrap" in settings.layers)
        # The highest descriptor there may be: a program that closes or counts the low ones does not meet it.
        most_descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.channel = min(most_descriptors, 1024) - 1
        self.shown = self.channel - 1
        self.asking = self.channel - 2
        self._memory_bytes = settings.memory_mb * 2**20
        self.memory_bytes = 0
        self.file_bytes = settings.file_mb * 2**20

    def start(self, run: Callable[[bytes], int], turns: Turns | None) -> int:
        """Fork a child, which reads its own frames from the supervisor; return its process id when it has.

        The programs and tests are never in this process, of which the next program gets a copy.

        Args:
            run: is called in the child with its first frame; returns its exit status.
            turns: keep the second one, of the steps; None if the message has them.

        Raises:
            EOFError: the child has not read its frames, so that nobody knows where the next one begins.
        """
        done, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                limits.die_with_parent(self.pid)
                os.close(done)
                if self.processes:
                    seed()  # which the hook of `random` has undone
                frame = read_frame(from_supervisor)
                if turns:
                    pour_frame(0, turns.steps)
                os.write(theirs, b"!")
                os.close(theirs)
                status = run(frame)
            finally:
                os._exit(status)
        os.close(theirs)
        has_read = os.read(done, 1)
        os.close(done)
        if not has_read:
            raise EOFError
        return pid

    def child(self, head: JobHead, files: Files, connection: int | None, frame: bytes) -> int:
        """Restrict this process for good and run the job in it; return its exit status.

        Args:
            head: of the job.
            files: of the program.
            connection: leads to the zygote, for a listener; None for a program without processes.
            frame: standard input, then the job.
        """
        content = memoryview(frame)
        if head.stdin_bytes:
            files.fill_stdin(content[: head.stdin_bytes])
        job = content[head.stdin_bytes :]
        wanted = [files.stdin, files.stdout, files.output]
        if connection is not None:
            wanted.append(connection)
        hidden = {self.channel: files.channel}
        turns = None
        if files.turns:
            hidden |= {self.shown: files.turns.shown, self.asking: files.turns.theirs}
            turns = asked(self.asking, self.shown)
        listener = self.restrict(wanted, hidden, self.ruleset, head.cpu_s, self.memory_bytes)
        if listener:
            send_listener(3, listener)
        status = child.run_job(job, self.channel, turns)
        _flush(sys.stdout)
        _flush(sys.stderr)
        return status

    def restrict(
        self, wanted: list[int], hidden: dict[int, int], ruleset: int | None, cpu_s: float, memory_bytes: int
    ) -> int:
        """Restrict this process for good.

        Args:
            wanted: descriptors that it keeps, as 0, 1, 2 and so on.
            hidden: descriptors that it keeps, by their high numbers.
            ruleset: of Landlock, if there is one.
            cpu_s: limit of its CPU time.
            memory_bytes: limit of its address space.

        Returns: the listener of its filter, or 0.
        """
        os.setsid()
        os.chdir(self.folder)
        # First all copies above 64, then all to 0, 1, ...: a copy to 3 could else end one that is still needed.
        kept = [fcntl.fcntl(each, fcntl.F_DUPFD, 64) for each in wanted]
        for number, descriptor in hidden.items():
            os.dup2(descriptor, number, False)
        if ruleset is not None:
            landlock.enforce(ruleset)
        for number, descriptor in enumerate(kept):
            os.dup2(descriptor, number)
        os.closerange(len(kept), 64 + len(kept))
        limits.set_limits(cpu_s, memory_bytes, self.file_bytes)
        return 0 if self.filter is None else self.filter.install()

    def settle(self) -> None:
        """Make ready for forks after imports: seed, measure memory, and keep the collector from imported objects.

        A collection in a child would write to them, and so copy their pages.
        """
        seed()
        self.memory_bytes = limits.address_space() + self._memory_bytes
        gc.collect()
        gc.freeze()

    def run_job(self, head: bytes) -> None:
        """Fork a child for a job, wait for its end or end it, clean up after it and answer the supervisor.

        Args:
            head: of the job, see `JobHead`.
        """
        job = JobHead.unpack(head)
        os.mkdir(self.folder)
        if self.temporary:
            os.mkdir(self.temporary)
        files = Files(console=job.keep >= 0, turns=job.turns)
        pid, program = self.start_job(job, files)
        left = Deadlines({"cpu": job.cpu_s, "wall": job.wall_s, "test": job.test_cpu_s}, pid, files.channel)
        killed = self.watch(pid, left, program, files.turns)
        status, cpu = program.end()
        seen = AnswerHead(
            killed,
            exit=os.waitstatus_to_exitcode(status),
            cpu_s=cpu,
            printed=files.printed(),
            worn=self.processes and leaves_connections(),
        )
        send(seen, files.parts(job.keep))
        files.close()
        for each in self.writable:
            empty_folder(each)

    def start_job(self, job: JobHead, files: Files) -> tuple[int, OneProcess | Processes]:
        """Fork a child for the program of a job.

        Args:
            job: its head.
            files: of the program.

        Returns:
            The process id of the program, and all its processes.
        """
        if not self.processes:
            pid = self.start(functools.partial(self.child, job, files, None), files.turns)
            return pid, OneProcess(pid)
        # One pair of sockets, of one use: a program with processes sends its listener through it to the zygote.
        ours, theirs = connect()
        pid = self.start(functools.partial(self.child, job, files, theirs), files.turns)
        os.close(theirs)
        return pid, Processes(pid, receive_listener(ours))

    def watch(  # noqa: C901 - an event after the other
        self, pid: int, left: Deadlines, program: OneProcess | Processes, turns: Turns | None
    ) -> str:
        """Wait until a child ends, or it and its processes reach a limit.

        Args:
            pid: of the child.
            left: its limits.
            program: all its processes.
            turns: of its tests, if they have several.

        Returns:
            The limit that was hit, or "".

        Raises:
            EOFError: the supervisor is gone; so is the child.
        """
        process = os.pidfd_open(pid)
        poll = select.poll()
        asking = turns.ours if turns else None
        for descriptor in (process, 0, program.listener, asking):
            if descriptor is not None:
                poll.register(descriptor, select.POLLIN)
        looked = time.monotonic()
        try:
            while True:
                used, crowded = program.look()
                left_s = left.look(used)
                if hit := [name for name, seconds in left_s.items() if seconds <= 0]:
                    return hit[0]
                # No limit can be reached earlier: all CPUs together use up the CPU time in this much real time.
                cpu_s = min(left_s["cpu"], left_s["test"]) / program.cpus
                wait = min(left_s["wall"], max(cpu_s, 0.002), LOOK_S)
                events = dict(poll.poll(wait * 1000 + 1))
                if process in events:
                    return ""
                if turns and asking in events and not turns.give():
                    poll.unregister(turns.ours)
                if 0 in events:
                    program.end()
                    raise EOFError
                if crowded or (program.listener in events and not program.admit()):
                    return "processes"
                if time.monotonic() - looked < LOOK_S:
                    continue
                if any(is_over(folder, self.disk_bytes, MAX_ENTRIES) for folder in self.writable):
                    return "disk"
                looked = time.monotonic()
        finally:
            os.close(process)


def _flush(stream: Any) -> None:
    """Flush a stream, which the program may have closed or replaced."""
    try:  # `contextlib.suppress` is twenty objects more that a child copies
        stream.flush()
    except (OSError, ValueError, AttributeError):
        return


def own_modules() -> list[str]:
    """Return the names of this project's own modules."""
    package = __name__.partition(".")[0]
    return [name for name in sys.modules if name.partition(".")[0] == package]


def hide_own_modules() -> None:
    """Put this project's own modules out of a program's easy reach."""
    for name in own_modules():
        del sys.modules[name]


def preload(names: list[str], site: list[str]) -> None:
    """Import modules that programs are likely to need; a module that is absent here is absent for programs too."""
    sys.path += site
    for name in (*_PRELOADED, *names):
        importlib.import_module(name)
    # `site`, which is not imported, would have made these.
    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D"))


def ask_before_times() -> None:
    """Have `os.utime`, whose success seccomp pretends, fail on an absent file: `Path.touch` makes the file then."""
    utime = os.utime

    def ask_first(path: Any, *args: Any, **named: Any) -> None:
        os.stat(path, dir_fd=named.get("dir_fd"))
        utime(path, *args, **named)

    os.utime = ask_first


def main() -> None:
    """Serve jobs until the supervisor closes the socket or is gone; leave no folder behind."""
    os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
    with contextlib.suppress(EOFError):
        settings = Settings.unpack(read_frame(from_supervisor))
        own = "bwrap" not in settings.layers  # else the folder is on a memory disk, and there already
        if own:
            os.mkdir(settings.root, 0o700)
        try:
            serve(settings)
        finally:
            if own:
                remove_folder(settings.root)
    os._exit(0)  # taking the interpreter down takes longer, and does nothing more


def prepare_runners(folder: str, *, pytest: bool) -> None:
    """Import what runs tests inside, and perhaps open a session of pytest.

    Args:
        folder: of the programs; it is not there yet.
        pytest: open the session.
    """
    from .runners.table import RUNNERS, prepare_pytest

    child.runners.update(RUNNERS)
    if not pytest:
        return
    # As a child has them: see `child.Child`
    code_folder = os.path.join(os.path.dirname(folder), "code")
    os.mkdir(code_folder)
    os.mkdir(folder)
    os.chdir(folder)
    prepare_pytest(f"{code_folder}/test_solution.py")
    os.chdir("/")
    empty_folder(os.path.dirname(folder))


def rehearse(folder: str) -> None:
    """Run a program of this module's own in this process, as children run theirs.

    The interpreter keeps notes on code that runs: the types of values, where attributes are found. Each child
    would learn it anew, and copy the pages on which it writes it down.

    Args:
        folder: of the programs; it is not there yet.
    """
    steps = [ValueStep("io", 0, "f", ([1, 2],)), ValueStep("io", 1, "f", (1,))]
    message, _ = packed("", REHEARSED, steps, "")
    raw = memoryview(message)
    channel = os.memfd_create("channel")
    path = list(sys.path)
    os.mkdir(folder)
    os.chdir(folder)
    for _ in range(REHEARSALS):
        child.run_job(raw, channel, None)
        _flush(sys.stdout)
        _flush(sys.stderr)
    os.chdir("/")
    empty_folder(os.path.dirname(folder))
    sys.path[:] = path
    os.close(channel)
    del sys.modules["solution"]


def _depth() -> int:
    frame: Any = sys._getframe()  # noqa: SLF001 - the only way to it
    depth = 0
    while frame:
        frame = frame.f_back
        depth += 1
    return depth


def serve(settings: Settings) -> None:
    """Serve jobs.

    Raises:
        EOFError: the supervisor is gone.
    """
    sys.executable = settings.executable
    try:
        preload(settings.preload, settings.site)
        zygote = Zygote(settings)
        if "bwrap" not in settings.layers:
            ask_before_times()
        if settings.runners:
            prepare_runners(zygote.folder, pytest=settings.runners == "pytest")
    except Exception as error:  # noqa: BLE001 - the supervisor raises it again
        say({"error": f"{type(error).__name__}: {error}"})
        return
    os.environ.clear()
    hide_own_modules()
    sys.modules["__main__"] = type(sys)("__main__")
    sys.argv = ["solution.py"]
    rehearse(zygote.folder)
    # A program may call itself as deeply as in Python: this project's own calls are none of the program's.
    sys.setrecursionlimit(sys.getrecursionlimit() + _depth() + OWN_CALLS)
    zygote.settle()
    say({"ready": True})
    while True:
        zygote.run_job(read_frame(from_supervisor))
