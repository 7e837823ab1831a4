"""Fork one child for each program from a small, clean interpreter, the zygote, and watch the child.

The zygote's standard input is a socket. The first packet on it holds the settings, later packets bring the files of
jobs, and each job is answered on the same socket. The zygote never reads these files: each child reads its own job,
after it is restricted.

If programs may start processes, the zygote is the first process of a pid namespace. The processes of a program cannot
signal it, and it ends them all at once.
"""

import _socket
import contextlib
import gc
import json
import math
import os
import resource
import select
import signal
import sys
import time
import warnings

from ..isolation import devices, landlock, limits, seccomp, syscalls
from ..isolation.cleanup import empty_folder, is_over, remove_folder
from ..isolation.deadlines import deadlines
from ..isolation.pid_namespace import Processes, leaves_connections
from ..isolation.process_limits import MAX_THREADS
from ..packets import READY, Files, Runtime, WorkerSettings, receive, send_descriptor, write_all
from ..solution.loading import seed
from . import forked_program
from .preparation import ask_before_times, preload, prepare_runners

LOOK_S = 0.1
"""Real seconds between two measures of a child's files."""
MAX_ENTRIES = 10_000
"""Files and folders a program may have."""
SHARED_MEMORY = "/dev/shm"
"""Folder of shared memory and semaphores; a program without processes of its own cannot write to it."""

OWN_CALLS = 8
"""Stack frames of this project below those of a program."""
_NAMESPACES = ("/proc", "/etc/hosts", "/etc/nsswitch.conf")
"""Further readable paths of programs with processes; they describe only the program's own namespaces."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


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
        return self._used_s(), threads > MAX_THREADS

    def _used_s(self) -> float:
        # The kernel's CPU-time clock of another process
        return time.clock_gettime((~self._pid << 3) | 2)

    def admit(self) -> bool:
        """Return True; this program cannot announce new processes."""
        return True

    def end(self) -> tuple[int, float]:
        """Kill and reap the program; return its exit status as `waitpid` has it, and its CPU seconds."""
        os.kill(self._pid, signal.SIGKILL)
        # The group may be gone, or hold only its dead leader. Until the leader is reaped, no other process gets its id.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        # Not of `wait4`, which imports a module each time.
        used_s = self._used_s()
        _, status = os.waitpid(self._pid, 0)
        return status, used_s


class Zygote:
    """The state that all children of one zygote share; `run_job` shows the life of a child."""

    def __init__(self, settings: WorkerSettings) -> None:
        # In tier A `/tmp` is a link to the folder `tmp`. In tier B `/tmp` is the machine's, and closed.
        names = ("w", "tmp", "code") if "bwrap" in settings.layers else ("w", "code")
        self.folders = [os.path.join(settings.root, name) for name in names]
        self.pid = os.getpid()
        self.settings = settings
        self.ruleset: int | None = None
        self.filter: seccomp.Filter | None = None
        self.processes = settings.runtime.processes
        self.writable = [settings.root]
        if self.processes:
            self.writable.append(SHARED_MEMORY)
        limits.refuse_privileges()
        limits.hide_memory()
        if self.processes:
            # The first process of a namespace receives only signals that it has a handler for.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        if "landlock" in settings.layers:
            readable = [*settings.runtime.readable, *(_NAMESPACES if self.processes else ())]
            self.ruleset = landlock.create_ruleset(readable, self.writable, _DEVICES, processes=self.processes)
        if "seccomp" in settings.layers:
            pretended = syscalls.METADATA
            if "bwrap" in settings.layers:
                pretended = "" if devices.are_own() else syscalls.OWNERS
            self.filter = seccomp.Filter(processes=self.processes, pretended=pretended)
        # The highest descriptors: a program that closes or counts the low ones does not meet them.
        most_descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.highest = min(most_descriptors, 1024) - 1

    def child(self, cpu_s: int, files: Files, connection: list[int]) -> int:
        """Restrict this process for good and run the job in it; return its exit status.

        Args:
            cpu_s: limit of CPU time, rounded up.
            files: files of the program.
            connection: socket to the zygote, for the filter's listener, if the program may have processes.
        """
        limits.die_with_parent(self.pid)
        if self.processes:
            # `random` has a fork hook that seeds anew.
            seed()
        # A session of its own, so that one signal reaches the whole group.
        os.setsid()
        for number, descriptor in enumerate(files[:3]):
            os.dup2(descriptor, number)
        kept = [*files[3:], *connection]
        for place, descriptor in enumerate(kept):
            os.dup2(descriptor, self.highest - place, False)
        if self.ruleset is not None:
            landlock.enforce(self.ruleset)
        os.closerange(3, self.highest - len(kept) + 1)
        # After the copies above, which need more descriptors than a program may have.
        limits.set_own_limits(cpu_s, self.memory_bytes)
        listener = 0 if self.filter is None else self.filter.own.install()
        if listener:
            send_descriptor(self.highest - 4, listener)
        return forked_program.run_job(self.highest, self.highest - 1, self.highest - 2, self.highest - 3)

    def settle(self) -> None:
        """Prepare for forks after all imports: seed, measure, restrict, and hide imported objects from the collector.

        A collection in a child would write to these objects, and so copy their pages.
        """
        seed()
        self.memory_bytes = limits.address_space() + self.settings.memory_mb * 2**20
        limits.set_common_limits(self.settings.file_mb * 2**20)
        if self.filter is not None:
            self.filter.common.install()
        gc.collect()
        gc.freeze()

    def run_job(self, files: Files, cpu_s: float, wall_s: float, test_cpu_s: float) -> None:
        """Fork a child for a job, wait until it ends or end it, clean up, and answer the supervisor.

        Args:
            files: files of the program.
            cpu_s: CPU seconds for all tests.
            wall_s: real seconds for all tests.
            test_cpu_s: CPU seconds for each test.
        """
        for folder in self.folders:
            os.mkdir(folder)
        os.chdir(self.folders[0])
        # The child uses this connection once, to send the listener of its filter to the zygote.
        pair = _socket.socketpair() if self.processes else ()
        # What can be made before the fork does not copy memory pages in the child.
        connection = [pair[1].fileno()] if pair else []
        whole_cpu_s = math.ceil(cpu_s)
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                status = self.child(whole_cpu_s, files, connection)
            finally:
                os._exit(status)
        program: OneProcess | Processes = OneProcess(pid)
        if pair:
            ours, theirs = pair
            theirs.close()
            program = Processes(pid, ours)
            ours.close()
        killed = self.watch(pid, {"cpu": cpu_s, "wall": wall_s, "test": test_cpu_s}, files.channel, program)
        # Also after a regular end: the program may have left threads or processes.
        status, used_s = program.end()
        for descriptor in files:
            os.close(descriptor)
        for each in self.writable:
            empty_folder(each)
        # Not JSON: its encoder would write to eighty memory pages of the zygote, which are then copied.
        is_usable = not (self.processes and leaves_connections())
        write_all(0, f"{killed} {os.waitstatus_to_exitcode(status)} {used_s} {is_usable}".encode())

    def watch(self, pid: int, limits_s: dict[str, float], channel: int, program: OneProcess | Processes) -> str:
        """Wait until a child ends, or until it and its processes reach a limit.

        Args:
            pid: process id of the child.
            limits_s: of the child, see `deadlines`.
            channel: the file of its reports.
            program: all processes of the child.

        Returns:
            The limit that was hit, or "".

        Raises:
            EOFError: the supervisor is gone, and the child was ended.
        """
        # This descriptor becomes readable when the child ends.
        process = os.pidfd_open(pid)
        poll = select.poll()
        for descriptor in (process, 0, program.listener):
            if descriptor is not None:
                poll.register(descriptor, select.POLLIN)
        started = looked = time.monotonic()
        left_s = limits_s
        time_left = deadlines(limits_s, pid, channel, started)
        try:
            while True:
                # No limit can be reached earlier, even if the program uses all CPUs.
                cpu_s = min(left_s["cpu"], left_s["test"]) / program.cpus
                wait = min(left_s["wall"], max(cpu_s, 0.002), LOOK_S)
                events = dict(poll.poll(wait * 1000 + 1))
                if process in events:
                    return ""
                # The supervisor sends the next job only after an answer, so input means that it is gone.
                if 0 in events:
                    program.end()
                    raise EOFError
                used, crowded = program.look()
                if crowded or (program.listener in events and not program.admit()):
                    return "processes"
                left_s = time_left(used)
                if hit := [name for name, seconds in left_s.items() if seconds <= 0]:
                    return hit[0]
                if time.monotonic() - looked < LOOK_S:
                    continue
                # Walking the folders is expensive, so this happens ten times a second.
                if any(is_over(folder, self.settings.disk_mb * 2**20, MAX_ENTRIES) for folder in self.writable):
                    return "disk"
                looked = time.monotonic()
        finally:
            os.close(process)


def main() -> None:
    """Serve jobs until the supervisor closes the socket or is gone; then remove the folder."""
    os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
    with contextlib.suppress(EOFError):
        supervisor = _socket.socket(fileno=0)
        packet, _ = receive(supervisor)
        runtime, *others = json.loads(packet)
        settings = WorkerSettings(Runtime(*runtime), *others)
        # In tier A the folder exists already, on a memory disk.
        own = "bwrap" not in settings.layers
        if own:
            os.mkdir(settings.root, 0o700)
        try:
            serve(settings, supervisor)
        finally:
            if own:
                remove_folder(settings.root)
    # A regular exit takes longer and has no further effect.
    os._exit(0)


def serve(settings: WorkerSettings, supervisor: _socket.socket) -> None:
    """Serve jobs.

    Args:
        settings: of the zygote.
        supervisor: connection to the supervisor.

    Raises:
        EOFError: the supervisor is gone.
    """
    sys.executable = settings.runtime.executable
    try:
        if "bwrap" in settings.layers:
            devices.make_read_only()
        limits.drop_capabilities()
        # Warnings of preloaded modules are not the program's.
        with warnings.catch_warnings(action="ignore"):
            preload(settings.runtime.preload, settings.runtime.site)
            zygote = Zygote(settings)
            if settings.runners:
                prepare_runners(zygote.folders[0], pytest=settings.runners == "pytest")
        if "bwrap" not in settings.layers:
            ask_before_times()
    except Exception as error:  # noqa: BLE001 - the supervisor raises it again
        write_all(0, f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace"))
        return
    # Programs see no variables of yours but those that you named, and no module of this project.
    os.environ.clear()
    os.environ["HOME"] = zygote.folders[0]
    os.environ.update(settings.runtime.variables)
    package = __name__.partition(".")[0]
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    sys.modules["__main__"] = type(sys)("__main__")
    sys.argv = ["solution.py"]
    # A program may recurse as deeply as in Python: the frames of this project do not count.
    sys.setrecursionlimit(sys.getrecursionlimit() + OWN_CALLS)
    zygote.settle()
    write_all(0, READY)
    while True:
        times, descriptors = receive(supervisor)
        zygote.run_job(Files(*descriptors), *map(float, times.split()))
