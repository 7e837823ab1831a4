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
import pickle
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from ..frames import LENGTH, AnswerHead, JobHead, framed, read_frame, write_all
from ..isolation import landlock, limits, seccomp
from ..isolation.cleanup import empty_folder, is_over, remove_folder
from ..isolation.deadlines import Deadlines
from ..isolation.pid_namespace import Processes, connect, leaves_connections, receive_listener, send_listener
from ..isolation.process_limits import MAX_THREADS
from ..kinds.call import body_of
from ..kinds.pytest_file import prepare_pytest
from ..solution.loading import seed
from . import child

JUDGE_CPU = 2
"""CPU time of a judge as a multiple of its program's."""
JUDGE_CPU_S = 5.0
"""CPU seconds that a judge has besides."""
JUDGE_BYTES = 512 << 20
"""Memory that a judge has besides its program's."""
JUDGE_GRACE_S = 5.0
"""Real seconds in which a judge ends whose program has."""
LAST_WORDS_S = 0.1
"""Real seconds in which a program ends whose judge has."""
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
"""With what they import: `statistics` brings `decimal`, `fractions`, `random` and others."""
REHEARSED = "def f(x):\n    return x[1:]\n"
"""A program whose second test fails."""
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

    The kernel copies the files: what a program printed and returned is never in this process's memory, of which the
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

    Standard output and standard error are one file, but for a script on a console and a program that is judged.
    """

    def __init__(self, *, console: bool, judged: bool) -> None:
        self.channel = os.memfd_create("channel")
        self.output = os.memfd_create("output")
        self.stdout = os.memfd_create("stdout") if console or judged else self.output
        self.stdin = os.memfd_create("stdin") if console else os.open("/dev/null", os.O_RDONLY)

    def fill_stdin(self, text: memoryview) -> None:
        """Write what the program of this process reads, and open the file anew, as `< file` opens it."""
        while text:
            text = text[os.write(self.stdin, text) :]
        self.stdin = os.open(f"/proc/self/fd/{self.stdin}", os.O_RDONLY)

    def printed(self) -> int:
        """Return the bytes printed so far."""
        return sum(os.fstat(descriptor).st_size for descriptor in {self.output, self.stdout})

    def parts(self, keep: int) -> list[tuple[int, int]]:
        """Return what the supervisor is sent: the beginning of the output, at least so many bytes, and the channel."""
        return [(self.stdout, max(keep, HEAD_OF_OUTPUT)), (self.channel, MAX_CHANNEL)]

    def close(self) -> None:
        """Close all; the child has its own."""
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

    def __init__(self, config: dict[str, Any]) -> None:
        self.root: str = config["root"]
        self.folder = os.path.join(self.root, "w")
        self.pid = os.getpid()
        self.disk_bytes: int = config["disk_mb"] * 2**20
        self.ruleset: int | None = None
        self.filter: seccomp.Filter | None = None
        self.processes: bool = config["processes"]
        self.writable = [self.root]
        if self.processes:
            self.writable.append(SHARED_MEMORY)
        limits.drop_capabilities()
        limits.refuse_privileges()
        limits.hide_memory()
        if self.processes:
            # Without a handler, no signal of a program's gets through.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        self.judge_root: str = config["judge_root"]
        self.judge_ruleset: int | None = None
        if not os.path.exists(self.judge_root):
            os.mkdir(self.judge_root, 0o700)
        if "landlock" in config["layers"]:
            self._create_rulesets(config["readable"])
        if "seccomp" in config["layers"]:
            self.filter = seccomp.Filter(processes=self.processes)
        # The highest descriptor there may be: a program that closes or counts the low ones does not meet it.
        most_descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.channel = min(most_descriptors, 1024) - 1
        self._memory_mb: int = config["memory_mb"]
        self.memory_bytes = 0
        self._has_pytest = False
        self.program_side: Any = None
        self.judge_side: Any = None
        self._own: dict[str, Any] = {name: sys.modules[name] for name in own_modules()}
        self.file_bytes: int = config["file_mb"] * 2**20

    def _create_rulesets(self, readable: list[str]) -> None:
        if self.processes:
            readable = [*readable, *_NAMESPACES]
        self.ruleset = landlock.create_ruleset(readable, self.writable, _DEVICES, processes=self.processes)
        self.judge_ruleset = landlock.create_ruleset(readable, [self.root, self.judge_root], _DEVICES)

    def start(self, run: Callable[[bytes], int]) -> int:
        """Fork a child, which reads its own frame from the supervisor; return its process id when it has.

        The programs and tests are never in this process, of which the next program gets a copy.

        Args:
            run: is called in the child with its frame; returns its exit status.

        Raises:
            EOFError: the child has not read its frame, so that nobody knows where the next one begins.
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
            connection: leads to the zygote, for a listener, or to the judge that the program is to serve.
            frame: standard input, then the job.
        """
        content = memoryview(frame)
        if head.stdin_bytes:
            files.fill_stdin(content[: head.stdin_bytes])
        job = content[head.stdin_bytes :]
        wanted = [files.stdin, files.stdout, files.output]
        if connection is not None:
            wanted.append(connection)
        listener = self.restrict(wanted, files.channel, self.ruleset, head.cpu_s, self.memory_bytes)
        if listener:
            send_listener(3, listener)
        if head.is_judged:
            os.close(self.channel)
            self.program_side.serve_program(pickle.loads(job), 3)
        status = child.run_job(job, self.channel)
        _flush(sys.stdout)
        _flush(sys.stderr)
        return status

    def judge(self, cpu_s: float, files: Files, connection: int, folder: str, raw: bytes) -> int:
        """Restrict this process for good and judge the program at the other end of a connection."""
        null = os.open("/dev/null", os.O_RDWR)
        wanted = [null, null, null, connection, files.stdout, files.output]
        longer_s = JUDGE_CPU * cpu_s + JUDGE_CPU_S
        self.restrict(wanted, files.channel, self.judge_ruleset, longer_s, self.memory_bytes + JUDGE_BYTES)
        self.judge_side.run_judge(raw, child.open_channel(self.channel), 3, (4, 5), folder)
        return 0

    def restrict(self, wanted: list[int], channel: int, ruleset: int | None, cpu_s: float, memory_bytes: int) -> int:
        """Restrict this process for good.

        Args:
            wanted: descriptors that it keeps, as 0, 1, 2 and so on.
            channel: its file of reports, which it keeps as `self.channel`.
            ruleset: of Landlock, if there is one.
            cpu_s: limit of its CPU time.
            memory_bytes: limit of its address space.

        Returns: the listener of its filter, or 0.
        """
        os.setsid()
        os.chdir(self.folder)
        # First all copies above 64, then all to 0, 1, ...: a copy to 3 could else end one that is still needed.
        kept = [fcntl.fcntl(each, fcntl.F_DUPFD, 64) for each in wanted]
        os.dup2(channel, self.channel, False)
        if ruleset is not None:
            landlock.enforce(ruleset)
        for number, descriptor in enumerate(kept):
            os.dup2(descriptor, number)
        os.closerange(len(kept), 64 + len(kept))
        limits.set_limits(cpu_s, memory_bytes, self.file_bytes)
        return 0 if self.filter is None else self.filter.install()

    def need_judge(self) -> None:
        """Import the modules of a judge and of a judged program, once: programs that need none fork faster."""
        if self.judge_side is not None:
            return
        sys.modules.update(self._own)
        self.program_side = importlib.import_module(".judge.program", __package__)
        self.judge_side = importlib.import_module(".judge.session", __package__)
        hide_own_modules()
        self.settle()

    def settle(self) -> None:
        """Make ready for forks after imports: seed, measure memory, and keep the collector from imported objects.

        A collection in a child would write to them, and so copy their pages.
        """
        seed()
        self.memory_bytes = limits.address_space() + self._memory_mb * 2**20
        gc.collect()
        gc.freeze()

    def need_pytest(self) -> None:
        """Prepare pytest, once."""
        if self._has_pytest:
            return
        self._has_pytest = True
        prepare_pytest()
        self.settle()

    def run_job(self, head: bytes) -> None:
        """Fork a child for a job, wait for its end or end it, clean up after it and answer the supervisor.

        Args:
            head: of the job, see `JobHead`.
        """
        job = JobHead.unpack(head)
        if job.is_judged:
            self.need_judge()
        if job.pytest:
            self.need_pytest()
        os.mkdir(self.folder)
        files = Files(console=job.keep >= 0, judged=job.is_judged)
        pid, program, judge, folder = self.start_job(job, files)
        left = Deadlines({"cpu": job.cpu_s, "wall": job.wall_s, "test": job.test_cpu_s}, pid, files.channel)
        killed = self.watch(pid, left, program, judge)
        alive = job.is_judged and not killed and not _ends(pid, LAST_WORDS_S)
        status, cpu = program.end()
        seen = AnswerHead(
            killed,
            exit=0 if alive else os.waitstatus_to_exitcode(status),
            cpu_s=cpu,
            printed=files.printed(),
            judge=self.end_judge(judge, folder) if job.is_judged else 0,
            worn=self.processes and leaves_connections(),
        )
        send(seen, files.parts(job.keep))
        files.close()
        for each in self.writable:
            empty_folder(each)

    def start_job(self, job: JobHead, files: Files) -> tuple[int, OneProcess | Processes, int, str]:
        """Fork a child for the program of a job, and one for its judge where it has one.

        Args:
            job: its head.
            files: of the program.

        Returns:
            The process id of the program; all its processes; the process id of its judge, or -1; the judge's folder.
        """
        if not (self.processes or job.is_judged):
            pid = self.start(functools.partial(self.child, job, files, None))
            return pid, OneProcess(pid), -1, ""
        # One pair of sockets, of one use: a program with processes sends its listener through it to the zygote; a
        # judged program has one end and its judge the other, and the zygote closes both.
        ours, theirs = connect()
        pid = self.start(functools.partial(self.child, job, files, theirs))
        os.close(theirs)
        if not job.is_judged:
            return pid, Processes(pid, receive_listener(ours)), -1, ""
        folder = os.path.join(self.judge_root, os.urandom(16).hex())
        judge = self.start(functools.partial(self.judge, job.cpu_s, files, ours, folder))
        os.close(ours)
        return pid, OneProcess(pid), judge, folder

    def end_judge(self, pid: int, folder: str) -> int:
        """Wait for a judge whose program has ended, and end it if it goes on; return its exit status."""
        if not _ends(pid, JUDGE_GRACE_S):
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        remove_folder(folder)
        return os.waitstatus_to_exitcode(status)

    def watch(  # noqa: C901 - one thing after the other
        self, pid: int, left: Deadlines, program: OneProcess | Processes, judge: int
    ) -> str:
        """Wait until a child or its judge ends, or it and its processes reach a limit.

        Args:
            pid: of the child.
            left: its limits.
            program: all its processes.
            judge: process id of its judge, or -1.

        Returns:
            The limit that was hit, or "".

        Raises:
            EOFError: the supervisor is gone; so is the child.
        """
        process = os.pidfd_open(pid)
        beside = os.pidfd_open(judge) if judge >= 0 else None
        poll = select.poll()
        for descriptor in (process, 0, program.listener, beside):
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
                if process in events or beside in events:
                    return ""
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
            if beside is not None:
                os.close(beside)


def _flush(stream: Any) -> None:
    """Flush a stream, which the program may have closed or replaced."""
    try:  # `contextlib.suppress` is twenty objects more that a child copies
        stream.flush()
    except (OSError, ValueError, AttributeError):
        return


def _ends(pid: int, patience_s: float) -> bool:
    """Tell whether a child has ended, or does so within some seconds of real time; it is not reaped."""
    process = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(process, select.POLLIN)
        return bool(poll.poll(patience_s * 1000))
    finally:
        os.close(process)


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
        config = json.loads(read_frame(from_supervisor))
        own = "bwrap" not in config["layers"]  # else the folder is on a memory disk, and there already
        if own:
            os.mkdir(config["root"], 0o700)
        try:
            serve(config)
        finally:
            if own:
                remove_folder(config["root"])
                remove_folder(config["judge_root"])
    os._exit(0)  # taking the interpreter down takes longer, and does nothing more


def rehearse() -> None:
    """Run a program of this module's own in this process, as children run theirs.

    The interpreter keeps what it learns of code that runs: the types of values, where attributes are found. Each child
    would learn it anew, and copy the pages on which it writes it down.
    """
    job = {"setup": "", "code": REHEARSED, "steps": [("io", body_of("f([1, 2])")), ("io", body_of("f(1)"))]}
    raw = memoryview(pickle.dumps(job))
    channel = os.memfd_create("channel")
    for _ in range(REHEARSALS):
        child.run_job(raw, channel)
        _flush(sys.stdout)
        _flush(sys.stderr)
    os.close(channel)
    del sys.modules["solution"]


def serve(config: dict[str, Any]) -> None:
    """Serve jobs.

    Raises:
        EOFError: the supervisor is gone.
    """
    sys.executable = config["executable"]
    try:
        preload(config["preload"], config["site"])
        zygote = Zygote(config)
        if not zygote.processes:
            ask_before_times()
    except Exception as error:  # noqa: BLE001 - the supervisor raises it again
        say({"error": f"{type(error).__name__}: {error}"})
        return
    os.environ.clear()
    hide_own_modules()
    sys.modules["__main__"] = type(sys)("__main__")
    sys.argv = ["solution.py"]
    rehearse()
    zygote.settle()
    say({"ready": True})
    while True:
        zygote.run_job(read_frame(from_supervisor))
