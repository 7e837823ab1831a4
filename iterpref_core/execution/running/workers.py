"""Start zygotes when they are needed, reuse them, and replace lost ones."""

import contextlib
import json
import math
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from itertools import chain
from pathlib import Path

from iterpref_core.records import ConfigError, ExecutionError

from ..isolation import tiers
from ..isolation.cleanup import remove_folder
from ..isolation.interpreters import Environment, own_runtime, runtime_of
from ..isolation.limits import fixed_addresses
from ..packets import MAX_PACKET, READY, Runtime, WorkerSettings
from ..protocol.jobs import Answer, Job
from ..protocol.machine_paths import MachinePaths
from ..protocol.programs import Limits
from .program_files import ProgramFiles

START_S = 60.0
"""Seconds of real time that a zygote may take to start and to import the preloaded modules."""
FOLDER = "iterpref-execution-"
"""Prefix of the name of a zygote's folder, in tiers B and C."""
LEAVE_S = 2.0
"""Seconds of real time that a zygote has to end its program and remove its folder before it is killed."""
GRACE_S = 15.0
"""A zygote counts as dead after twice its program's limit of real time and this many seconds."""
DISK_FILES = 4
"""All files of a program together may hold `DISK_FILES * Limits.file_mb`."""


CLOSED = "the executor is closed; run programs inside its `with` block"


class WorkerDiedError(Exception):
    """The zygote ended or stopped answering; its program is not to blame."""


class Worker:
    """One zygote process.

    Args:
        plan: isolation of the zygote.
        limits: limits of each program.
        runtime: the interpreter, its packages and the modules to preload.
        runners: see `WorkerSettings`.

    Attributes:
        usable: whether the zygote waits for a job.

    Raises:
        ExecutionError: the zygote cannot be started.
    """

    def __init__(self, plan: tiers.Plan, limits: Limits, runtime: Runtime, runners: str) -> None:
        # Feedback replaces this path: no program has it among its own values.
        self._root = "/iterpref-job"
        self._own_folder: str | None = None
        # The zygote makes this folder, and removes it if this process is killed.
        if "bwrap" not in plan.layers:
            self._root = self._own_folder = str(Path(tempfile.gettempdir(), FOLDER + secrets.token_hex(8)))
        own = [
            (self._root, "."),
            (f"{self._root}/w", "."),
            (f"{self._root}/code", "."),
            (str(tiers.CODE), tiers.PACKAGE),
        ]
        self._paths = MachinePaths([*runtime.names, *own])
        disk_mb = DISK_FILES * limits.file_mb
        # What the zygote prints on standard error, for the message if it dies
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        # The zygote's standard input and output are one end of this pair.
        self._socket, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        self.usable = True
        self._ending = threading.Lock()
        # Preloaded modules may look for a place to write; this folder is emptied after each program.
        variables = {"HOME": self._root, "TMPDIR": self._root}
        try:
            with fixed_addresses():
                self._process = subprocess.Popen(
                    tiers.command(plan, "sandbox.zygote", self._root, disk_mb, runtime),
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=self._errors,
                    env=tiers.ENVIRONMENT | variables,
                    cwd="/",
                    start_new_session=True,
                )
        except OSError as error:
            # The machine is out of processes or memory.
            self._close_streams()
            raise ExecutionError(f"a worker cannot be started in tier {plan}: {error}") from None
        finally:
            theirs.close()
        self.pid = self._process.pid
        """Process id; in tier A the id of bubblewrap."""
        try:
            with self._talking():
                sizes = (limits.memory_mb, limits.file_mb, disk_mb)
                settings = WorkerSettings(runtime, self._root, plan.layers, runners, *sizes)
                self._socket.send(json.dumps(settings).encode())
                answer = self._receive(START_S)
            problem = "" if answer == READY else answer.decode("utf-8", "replace")
        except WorkerDiedError as error:
            problem = str(error)
        if problem:
            self.close()
            raise ExecutionError(f"a worker cannot be started in tier {plan}: {problem}")

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        """Talk with the zygote; raise `WorkerDiedError` if it is gone, or silent for too long."""
        try:
            yield
        except (OSError, EOFError) as error:
            self._errors.seek(0)
            said = self._errors.read()[-500:].decode("utf-8", "replace").strip()
            message = f"the zygote does not answer ({error}); its standard error: {said or 'empty'}"
            raise WorkerDiedError(message) from None

    def _receive(self, seconds: float, files: ProgramFiles | None = None) -> bytes:
        """Return the zygote's next packet; until it comes, a program's turns are given to it."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if files:
            poll.register(files.asked, select.POLLIN)
        end = time.monotonic() + seconds
        while True:
            ready = dict(poll.poll(max(0.0, end - time.monotonic()) * 1000))
            if self._socket.fileno() in ready:
                break
            # Also if a program asks without end
            if not files or not ready or time.monotonic() > end:
                raise TimeoutError("timed out")
            if not files.give():
                poll.unregister(files.asked)
        if not (packet := self._socket.recv(MAX_PACKET)):
            raise EOFError
        return packet

    def run(self, job: Job, limits: Limits, test_cpu_s: float | None) -> Answer:
        """Run a job, and wait for its end.

        Args:
            job: the job.
            limits: time limits of the program; the other limits are the same for all programs.
            test_cpu_s: CPU seconds for each test.

        Raises:
            WorkerDiedError: the zygote is gone or does not answer.
        """
        self.usable = False
        times = f"{limits.cpu_s} {limits.wall_s} {test_cpu_s or math.inf}".encode()
        with self._talking(), ProgramFiles(job) as files:
            socket.send_fds(self._socket, [times], files.files)
            # The zygote enforces the limit itself. This one notices a zygote that hangs.
            packet = self._receive(2 * limits.wall_s + GRACE_S, files)
            files.keep_reports()
            output, printed = files.output()
        killed, status, cpu_s, is_usable = packet.decode().split(" ")
        self.usable = is_usable == "True"
        return Answer(killed, int(status), float(cpu_s), self._paths, output, printed, bytes(files.reports))

    def end(self) -> None:
        """End the zygote, its program and its folder; a thread that waits for its answer gets `WorkerDiedError`.

        When its socket closes, the zygote ends its program, removes its folder and exits. Otherwise it is killed.
        """
        self.usable = False
        # A closing pool and the thread that waits for the answer may both end the zygote.
        with self._ending:
            # The zygote may be gone already.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            try:
                self._process.wait(LEAVE_S)
            except subprocess.TimeoutExpired:
                # The session of `Popen` makes the zygote the leader of its group.
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()
            if self._own_folder:
                remove_folder(self._own_folder)

    def close(self) -> None:
        """End an idle zygote, and close its streams."""
        self.end()
        self._close_streams()

    def _close_streams(self) -> None:
        self._socket.close()
        self._errors.close()


@dataclass(eq=False)
class WorkerPool:
    """All workers of one executor.

    Args:
        plan: isolation of the workers.
        limits: limits of each program.
        slots: the number of programs that run at a time.
        preload: modules to import once in each worker of this interpreter.
        environments: other interpreters, by their names in tests.

    Attributes:
        workers: living workers.
        closed: whether the pool is closed, which ends running programs.
    """

    plan: tiers.Plan
    limits: Limits
    slots: int
    preload: tuple[str, ...]
    environments: Mapping[str, Environment]

    def __post_init__(self) -> None:
        # Idle workers by environment and runners; a worker of one kind cannot serve another.
        self._idle: defaultdict[tuple[str | None, str], list[Worker]] = defaultdict(list)
        self.workers: set[Worker] = set()
        self._lock = threading.Lock()
        self._free = threading.Semaphore(self.slots)
        self.closed = False

    @contextlib.contextmanager
    def worker(self, environment: str | None, runners: str = "") -> Iterator[Worker]:
        """Lend a worker for one job; start one if none is idle.

        Args:
            environment: name of the environment; None for this interpreter.
            runners: runners that the worker has loaded, see `WorkerSettings`.

        Raises:
            ConfigError: the environment is unknown, or its interpreter cannot be used.
            ExecutionError: no worker can be started, or the pool is closed.
        """
        # At most `slots` programs run at a time, whatever their environments.
        with self._free:
            worker = self._take(environment, runners)
            try:
                yield worker
            finally:
                with self._lock:
                    stays = worker.usable and not self.closed
                    if stays:
                        self._idle[environment, runners].append(worker)
                    else:
                        self.workers.discard(worker)
                if not stays:
                    worker.close()

    def _take(self, environment: str | None, runners: str) -> Worker:
        with self._lock:
            if idle := self._idle[environment, runners]:
                return idle.pop()
            closed = self.closed
        if not closed:
            # Starting a zygote takes up to a second, so it happens outside the lock.
            worker = Worker(self.plan, self.limits, self._runtime(environment), runners)
            with self._lock:
                if not self.closed:
                    self.workers.add(worker)
                    return worker
            # The pool was closed while the worker started.
            worker.close()
        raise ExecutionError(CLOSED)

    def _runtime(self, environment: str | None) -> Runtime:
        if environment is None:
            return own_runtime(self.preload)
        if environment not in self.environments:
            raise ConfigError(
                f"a test needs the environment {environment!r}, which execution.environments in params.yaml lacks; "
                f"add --environment {environment}=PYTHON:FOLDER, as `iterpref ingest` printed it"
            )
        return runtime_of(self.environments[environment], namespaces=self.plan.tier == "A")

    def missing(self, packages: Iterable[str], environment: str | None) -> str:
        """Return the first package that an environment lacks, or an empty text."""
        for package in packages:
            # `matplotlib.pyplot` is part of the package `matplotlib`.
            name = package.partition(".")[0]
            if name in sys.stdlib_module_names:
                continue
            if not PathFinder.find_spec(name, self._runtime(environment).site):
                return package
        return ""

    def close(self) -> None:
        """End all workers and their programs, and remove their folders."""
        with self._lock:
            self.closed = True
            idle = list(chain.from_iterable(self._idle.values()))
            busy = self.workers.difference(idle)
            self.workers -= set(idle)
            self._idle.clear()
        # The threads that wait for busy workers close them.
        for worker in busy:
            worker.end()
        for worker in idle:
            worker.close()
