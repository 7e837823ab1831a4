"""Fork one child for each program from a small, clean interpreter, the zygote, and watch the child.

The zygote's standard input is a socket. The first frame on it holds the settings, later frames hold jobs, and each job
is answered on the same socket. The zygote never parses or stores a job: each child reads its own job from the socket,
and parses it after it is restricted.

If programs may start processes, the zygote is the first process of a pid namespace. The processes of a program cannot
signal it, and it ends them all at once.
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
"""Bytes of a program's printed output that are passed on by default."""
MAX_CHANNEL = 64 << 20
"""Bytes of reports that are passed on; a report that is cut off there is ignored."""

LOOK_S = 0.1
"""Real seconds between two measures of a child's files."""
MAX_ENTRIES = 10_000
"""Files and folders a program may have."""
SHARED_MEMORY = "/dev/shm"
"""Folder of shared memory and semaphores; a program without processes of its own cannot write to it."""

_PRELOADED = ("array", "dataclasses", "datetime", "heapq", "queue", "statistics", "string", "textwrap", "typing")
"""Modules that every program finds loaded; `statistics` imports `decimal`, `fractions`, `random` and others."""
REHEARSED = "def f(x):\n    return x[1:]\n"
"""A program whose second test fails."""
OWN_CALLS = 7
"""Stack frames of this project between `serve` and a test, from `Zygote.run_job` to the runner of the test."""
REHEARSALS = 20
"""Python 3.11 specializes code that has run eight times."""
_NAMESPACES = ("/proc", "/etc/hosts", "/etc/nsswitch.conf")
"""Further readable paths of programs with processes; they describe only the program's own namespaces."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


from_supervisor = functools.partial(os.read, 0)


def say(facts: dict[str, Any]) -> None:
    """Send the supervisor a message before the first job: ready, or an error."""
    write_all(0, framed(json.dumps(facts).encode()))


def send(head: AnswerHead, parts: Iterable[tuple[int, int]]) -> None:
    """Answer the supervisor: one frame for the head, and one for the beginning of each file.

    The kernel copies the files. A program's output never enters the memory of this process, because the next program
    gets a copy of that memory.

    Args:
        head: head of the answer.
        parts: file descriptors, and the number of bytes to send from each.
    """
    write_all(0, framed(head.pack()))
    for descriptor, most in parts:
        size = min(most, os.fstat(descriptor).st_size)
        write_all(0, LENGTH.pack(size))
        sent = 0
        while sent < size:
            sent += os.sendfile(0, descriptor, sent, size - sent)


class Files:
    """The in-memory files of one program: standard input, output and error, and the channel for its reports.

    Standard output and standard error share one file, except for a script on a console.
    """

    def __init__(self, *, console: bool, turns: bool) -> None:
        self.channel = os.memfd_create("channel")
        self.output = os.memfd_create("output")
        self.stdout = os.memfd_create("stdout") if console else self.output
        self.stdin = os.memfd_create("stdin") if console else os.open("/dev/null", os.O_RDONLY)
        self.turns = Turns(self.channel) if turns else None

    def fill_stdin(self, text: memoryview) -> None:
        """Write the standard input of the program in this process, and reopen the file as `< file` does."""
        while text:
            text = text[os.write(self.stdin, text) :]
        self.stdin = os.open(f"/proc/self/fd/{self.stdin}", os.O_RDONLY)

    def printed(self) -> int:
        """Return the bytes printed so far."""
        return sum(os.fstat(descriptor).st_size for descriptor in {self.output, self.stdout})

    def parts(self, keep: int) -> list[tuple[int, int]]:
        """Return the parts for the supervisor: at least `keep` bytes of the output, and the reports."""
        reports = self.channel
        if self.turns:
            self.turns.keep()
            reports = self.turns.reports
        return [(self.stdout, max(keep, HEAD_OF_OUTPUT)), (reports, MAX_CHANNEL)]

    def close(self) -> None:
        """Close all files; the child has copies of its own."""
        if self.turns:
            self.turns.close()
        for descriptor in {self.channel, self.output, self.stdout, self.stdin}:
            os.close(descriptor)


class OneProcess:
    """A program that must stay a single process; same interface as `Processes`."""

    cpus = 1
    listener: int | None = None

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def look(self) -> tuple[float, bool]:
        """Return the CPU seconds used, and whether there are too many threads."""
        # A folder has one link for each folder in it, so the link count gives the number of threads.
        threads = os.stat(f"/proc/{self._pid}/task").st_nlink - 2
        # The kernel's CPU-time clock of another process
        used_s = time.clock_gettime((~self._pid << 3) | 2)
        return used_s, threads > MAX_THREADS

    def admit(self) -> bool:
        """Return True; this program cannot announce new processes."""
        return True

    def end(self) -> tuple[int, float]:
        """Kill and reap the program; return its exit status as `waitpid` has it, and its CPU seconds."""
        os.kill(self._pid, signal.SIGKILL)
        # The group may be gone, or hold only its dead leader. Until the leader is reaped, no other process gets its id.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        _, status, usage = os.wait4(self._pid, 0)
        return status, usage.ru_utime + usage.ru_stime


class Zygote:
    """The state that all children of one zygote share; `run_job` shows the life of a child."""

    def __init__(self, settings: Settings) -> None:
        self.folder = os.path.join(settings.root, "w")
        # In tier A `/tmp` is a link to this folder. In tier B `/tmp` is the machine's, and closed.
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
            # The first process of a namespace receives only signals that it has a handler for.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        if "landlock" in settings.layers:
            readable = [*settings.readable, *(_NAMESPACES if self.processes else ())]
            self.ruleset = landlock.create_ruleset(readable, self.writable, _DEVICES, processes=self.processes)
        if "seccomp" in settings.layers:
            self.filter = seccomp.Filter(processes=self.processes, metadata="bwrap" in settings.layers)
        # The highest descriptors: a program that closes or counts the low ones does not meet them.
        most_descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.channel = min(most_descriptors, 1024) - 1
        self.shown = self.channel - 1
        self.asking = self.channel - 2
        self._memory_bytes = settings.memory_mb * 2**20
        self.memory_bytes = 0
        self.file_bytes = settings.file_mb * 2**20

    def start(self, run: Callable[[bytes], int], turns: Turns | None) -> int:
        """Fork a child that reads its own frames from the supervisor; return its process id after it has read them.

        Programs and tests never enter the memory of this process, because the next program gets a copy of it.

        Args:
            run: called in the child with its first frame; returns its exit status.
            turns: store the second frame, with the steps; None if the message has the steps.

        Raises:
            EOFError: the child did not read its frames, so the beginning of the next frame is unknown.
        """
        # The child writes one byte to this pipe after it has read its frames.
        done, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                limits.die_with_parent(self.pid)
                os.close(done)
                if self.processes:
                    # `random` has a fork hook that seeds anew.
                    seed()
                # From here on the supervisor's bytes are in the child only.
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
            head: head of the job.
            files: files of the program.
            connection: socket to the zygote, for the filter's listener; None for a program without processes.
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
            wanted: descriptors to keep as 0, 1, 2 and so on.
            hidden: descriptors to keep, by the high numbers that they get.
            ruleset: Landlock ruleset, if there is one.
            cpu_s: limit of CPU time.
            memory_bytes: limit of the address space.

        Returns: the listener of the filter, or 0.
        """
        # A session of its own, so that one signal reaches the whole group.
        os.setsid()
        os.chdir(self.folder)
        # Copy all descriptors above 64 first, then to 0, 1, ...: a direct copy to 3 could close one that is needed.
        kept = [fcntl.fcntl(each, fcntl.F_DUPFD, 64) for each in wanted]
        for number, descriptor in hidden.items():
            os.dup2(descriptor, number, False)
        if ruleset is not None:
            landlock.enforce(ruleset)
        for number, descriptor in enumerate(kept):
            os.dup2(descriptor, number)
        os.closerange(len(kept), 64 + len(kept))
        # After the copies above, which need more descriptors than a program may have.
        limits.set_limits(cpu_s, memory_bytes, self.file_bytes)
        return 0 if self.filter is None else self.filter.install()

    def settle(self) -> None:
        """Prepare for forks after all imports: seed, measure memory, and hide imported objects from the collector.

        A collection in a child would write to these objects, and so copy their pages.
        """
        seed()
        self.memory_bytes = limits.address_space() + self._memory_bytes
        gc.collect()
        gc.freeze()

    def run_job(self, head: bytes) -> None:
        """Fork a child for a job, wait until it ends or end it, clean up, and answer the supervisor.

        Args:
            head: the frame of a `JobHead`.
        """
        job = JobHead.unpack(head)
        os.mkdir(self.folder)
        if self.temporary:
            os.mkdir(self.temporary)
        # Standard input, output and the reports are memory files, so nothing of a program stays on a disk.
        files = Files(console=job.keep >= 0, turns=job.turns)
        pid, program = self.start_job(job, files)
        left = Deadlines({"cpu": job.cpu_s, "wall": job.wall_s, "test": job.test_cpu_s}, pid, files.channel)
        killed = self.watch(pid, left, program, files.turns)
        # Also after a regular end: the program may have left threads or processes.
        status, cpu = program.end()
        seen = AnswerHead(
            killed,
            exit=os.waitstatus_to_exitcode(status),
            cpu_s=cpu,
            printed=files.printed(),
            worn=self.processes and leaves_connections(),
        )
        # The kernel copies the files to the socket, past this process's memory.
        send(seen, files.parts(job.keep))
        files.close()
        for each in self.writable:
            empty_folder(each)

    def start_job(self, job: JobHead, files: Files) -> tuple[int, OneProcess | Processes]:
        """Fork a child for the program of a job.

        Args:
            job: head of the job.
            files: files of the program.

        Returns:
            The process id of the program, and a view of all its processes.
        """
        if not self.processes:
            pid = self.start(functools.partial(self.child, job, files, None), files.turns)
            return pid, OneProcess(pid)
        # The child uses this pair of sockets once, to send the listener of its filter to the zygote.
        ours, theirs = connect()
        pid = self.start(functools.partial(self.child, job, files, theirs), files.turns)
        os.close(theirs)
        return pid, Processes(pid, receive_listener(ours))

    def watch(  # noqa: C901 - one event after another
        self, pid: int, left: Deadlines, program: OneProcess | Processes, turns: Turns | None
    ) -> str:
        """Wait until a child ends, or until it and its processes reach a limit.

        Args:
            pid: process id of the child.
            left: time limits of the child.
            program: all processes of the child.
            turns: turns of its tests, if there are several.

        Returns:
            The limit that was hit, or "".

        Raises:
            EOFError: the supervisor is gone, and the child was ended.
        """
        # This descriptor becomes readable when the child ends.
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
                # No limit can be reached earlier, even if the program uses all CPUs.
                cpu_s = min(left_s["cpu"], left_s["test"]) / program.cpus
                wait = min(left_s["wall"], max(cpu_s, 0.002), LOOK_S)
                events = dict(poll.poll(wait * 1000 + 1))
                if process in events:
                    return ""
                if turns and asking in events and not turns.give():
                    poll.unregister(turns.ours)
                # The supervisor sends the next job only after an answer, so input means that it is gone.
                if 0 in events:
                    program.end()
                    raise EOFError
                if crowded or (program.listener in events and not program.admit()):
                    return "processes"
                if time.monotonic() - looked < LOOK_S:
                    continue
                # Walking the folders is expensive, so this happens ten times a second.
                if any(is_over(folder, self.disk_bytes, MAX_ENTRIES) for folder in self.writable):
                    return "disk"
                looked = time.monotonic()
        finally:
            os.close(process)


def _flush(stream: Any) -> None:
    """Flush a stream, which the program may have closed or replaced."""
    # `contextlib.suppress` would make twenty more objects for a child to copy.
    try:
        stream.flush()
    except (OSError, ValueError, AttributeError):
        return


def own_modules() -> list[str]:
    """Return the names of this project's own modules."""
    package = __name__.partition(".")[0]
    return [name for name in sys.modules if name.partition(".")[0] == package]


def hide_own_modules() -> None:
    """Remove this project's modules from `sys.modules`, so that programs do not meet them by accident."""
    for name in own_modules():
        del sys.modules[name]


def preload(names: list[str], site: list[str]) -> None:
    """Import modules that programs are likely to need."""
    # A module that is missing here is missing for programs too.
    sys.path += site
    for name in (*_PRELOADED, *names):
        importlib.import_module(name)
    # The module `site`, which was not imported, defines these two.
    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D"))


def ask_before_times() -> None:
    """Let `os.utime` fail if the file is absent, so that `Path.touch` makes the file; seccomp pretends success."""
    utime = os.utime

    def ask_first(path: Any, *args: Any, **named: Any) -> None:
        os.stat(path, dir_fd=named.get("dir_fd"))
        utime(path, *args, **named)

    os.utime = ask_first


def main() -> None:
    """Serve jobs until the supervisor closes the socket or is gone; then remove the folder."""
    os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
    with contextlib.suppress(EOFError):
        settings = Settings.unpack(read_frame(from_supervisor))
        # In tier A the folder exists already, on a memory disk.
        own = "bwrap" not in settings.layers
        if own:
            os.mkdir(settings.root, 0o700)
        try:
            serve(settings)
        finally:
            if own:
                remove_folder(settings.root)
    # A regular exit takes longer and has no further effect.
    os._exit(0)


def prepare_runners(folder: str, *, pytest: bool) -> None:
    """Import the runners of tests that run inside, and open a session of pytest if it is wanted.

    Args:
        folder: folder of the programs, which does not exist yet.
        pytest: open the session.
    """
    from .runners.table import RUNNERS, prepare_pytest

    child.runners.update(RUNNERS)
    if not pytest:
        return
    # The same folders as in `child.Child`
    code_folder = os.path.join(os.path.dirname(folder), "code")
    os.mkdir(code_folder)
    os.mkdir(folder)
    os.chdir(folder)
    prepare_pytest(f"{code_folder}/test_solution.py")
    os.chdir("/")
    empty_folder(os.path.dirname(folder))


def rehearse(folder: str) -> None:
    """Run a small program in this process, in the way that children run theirs.

    The interpreter specializes code that runs often: for types of values, places of attributes. Otherwise each child
    would do this again, and copy the memory pages that it writes to.

    Args:
        folder: folder of the programs, which does not exist yet.
    """
    steps = [ValueStep("io", 0, "f", ([1, 2],)), ValueStep("io", 1, "f", (1,))]
    message, _ = packed("", REHEARSED, steps, "")
    raw = memoryview(message)
    channel = os.memfd_create("channel")
    path = list(sys.path)
    os.mkdir(folder)
    os.chdir(folder)
    # The reports go to a memory file that nobody reads.
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
    frame: Any = sys._getframe()  # noqa: SLF001 - no other function returns it
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
    # Programs see an empty environment and no module of this project.
    os.environ.clear()
    hide_own_modules()
    sys.modules["__main__"] = type(sys)("__main__")
    sys.argv = ["solution.py"]
    rehearse(zygote.folder)
    # A program may recurse as deeply as in Python: the frames of this project do not count.
    sys.setrecursionlimit(sys.getrecursionlimit() + _depth() + OWN_CALLS)
    zygote.settle()
    say({"ready": True})
    while True:
        zygote.run_job(read_frame(from_supervisor))
