"""Workers: zygotes that the supervisor starts when they are needed, uses again, and replaces when they are lost."""

import contextlib
import json
import math
import os
import secrets
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from itertools import chain
from pathlib import Path

from iterpref_core.execution.frames import LENGTH, AnswerHead, JobHead, Settings, framed
from iterpref_core.execution.isolation import tiers
from iterpref_core.execution.isolation.cleanup import remove_folder
from iterpref_core.execution.isolation.interpreters import Environment, Runtime, own_runtime, runtime_of
from iterpref_core.execution.protocol.jobs import Answer, Job
from iterpref_core.execution.protocol.machine_paths import MachinePaths
from iterpref_core.execution.protocol.programs import Limits
from iterpref_core.records.errors import ConfigError, ExecutionError

START_S = 60.0
"""Seconds of real time a zygote may take to start and import the preloaded modules."""
FOLDER = "iterpref-execution-"
"""Beginning of the name of a zygote's folder, in tiers B and C."""
LEAVE_S = 2.0
"""Seconds of real time that a zygote has to end its program and to remove its folder, before it is killed."""
GRACE_S = 15.0
"""Seconds beyond twice a program's limit of real time after which its zygote counts as dead."""
DISK_FILES = 4
"""All files of a program together may hold this many times `Limits.file_mb`."""


CLOSED = "the executor is closed; run programs inside its `with` block"


def _settings(plan: tiers.Plan, limits: Limits, runtime: Runtime, root: str, runners: str) -> Settings:
    """Return the settings of a zygote.

    Args:
        plan: its isolation.
        limits: of each program.
        runtime: its interpreter.
        root: the folder that programs may write in.
        runners: see `Settings`.
    """
    return Settings(
        root=root,
        layers=list(plan.layers),
        readable=list(runtime.readable),
        executable=runtime.executable,
        site=list(runtime.site),
        preload=list(runtime.preload),
        runners=runners,
        processes=runtime.processes,
        memory_mb=limits.memory_mb,
        file_mb=limits.file_mb,
        disk_mb=DISK_FILES * limits.file_mb,
    )


class WorkerDiedError(Exception):
    """The zygote ended or stopped answering; says nothing about the program it was running."""


class Worker:
    """One zygote process.

    Args:
        plan: the isolation to start it in.
        limits: for each program.
        runtime: the interpreter, its packages and the modules to preload.
        runners: see `Settings`.

    Attributes:
        usable: it waits for a job.

    Raises:
        ExecutionError: it cannot be started.
    """

    def __init__(self, plan: tiers.Plan, limits: Limits, runtime: Runtime, runners: str) -> None:
        self._root = "/job"
        self._own_folder: str | None = None
        if "bwrap" not in plan.layers:  # the zygote makes it, and removes it if this process is killed
            self._root = self._own_folder = str(Path(tempfile.gettempdir(), FOLDER + secrets.token_hex(8)))
        own = [
            (self._root, "."),
            (f"{self._root}/w", "."),
            (f"{self._root}/code", "."),
            (str(tiers.CODE), tiers.PACKAGE),
        ]
        self._paths = MachinePaths([*runtime.names, *own])
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        self._socket, theirs = socket.socketpair()
        self._answers = self._socket.makefile("rb")
        self.usable = True
        self._ending = threading.Lock()
        # What is preloaded may look for a place to write, which is emptied after each program.
        variables = {"HOME": self._root, "TMPDIR": self._root}
        try:
            self._process = subprocess.Popen(
                tiers.command(plan, "sandbox.zygote", self._root, DISK_FILES * limits.file_mb, runtime),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._errors,
                env=tiers.ENVIRONMENT | variables,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:  # the machine has no process or memory left
            self._close_streams()
            raise ExecutionError(f"a worker cannot be started in tier {plan}: {error}") from None
        finally:
            theirs.close()
        self.pid = self._process.pid
        """Process id, of bubblewrap in tier A."""
        try:
            with self._patient(START_S):
                self._socket.sendall(framed(_settings(plan, limits, runtime, self._root, runners).pack()))
                problem = json.loads(self._receive()).get("error")
        except WorkerDiedError as error:
            problem = error
        if problem:
            self.close()
            raise ExecutionError(f"a worker cannot be started in tier {plan}: {problem}")

    @contextlib.contextmanager
    def _patient(self, seconds: float) -> Iterator[None]:
        """Talk with the zygote; it has died if it is gone, or silent for so many seconds."""
        self._socket.settimeout(seconds)
        try:
            yield
        except (OSError, EOFError, struct.error) as error:
            self._errors.seek(0)
            said = self._errors.read()[-500:].decode("utf-8", "replace").strip()
            message = f"the zygote does not answer ({error}); it said: {said or 'nothing'}"
            raise WorkerDiedError(message) from None

    def _receive(self) -> bytes:
        """Return the next frame, which is in memory once."""
        (size,) = LENGTH.unpack(self._answers.read(LENGTH.size))
        frame = self._answers.read(size)
        if len(frame) < size:
            raise EOFError
        return frame

    def run(self, job: Job, limits: Limits, test_cpu_s: float | None) -> Answer:
        """Have a job run, and wait for its end.

        Args:
            job: for the zygote.
            limits: of the program; memory, output and files are those of all programs.
            test_cpu_s: CPU seconds of each test.

        Raises:
            WorkerDiedError: the zygote is gone or does not answer.
        """
        self.usable = False
        patience_s = 2 * limits.wall_s + GRACE_S
        job_head = JobHead(
            limits.cpu_s,
            limits.wall_s,
            test_cpu_s or math.inf,
            job.console.keep,
            len(job.console.stdin),
            turns=bool(job.turns),
        )
        with self._patient(patience_s):
            for frame in (job_head.pack(), job.console.stdin + job.program, *filter(None, [job.turns])):
                self._socket.sendall(framed(frame))
            seen = AnswerHead.unpack(self._receive())
            printed, channel = self._receive(), self._receive()
        self.usable = not seen.worn
        return Answer(seen, self._paths, printed, channel)

    def end(self) -> None:
        """End the zygote and all it holds; a thread that waits for its answer hears of it.

        A zygote whose socket is closed ends its program, removes its folder and goes. One that does not is killed.
        """
        self.usable = False
        with self._ending:  # a closing pool and the thread that waits for the answer may both end it
            with contextlib.suppress(OSError):  # it has gone before
                self._socket.shutdown(socket.SHUT_RDWR)
            try:
                self._process.wait(LEAVE_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()
            if self._own_folder:
                remove_folder(self._own_folder)

    def close(self) -> None:
        """End the zygote, for which nobody waits."""
        self.end()
        self._close_streams()

    def _close_streams(self) -> None:
        for stream in (self._answers, self._socket, self._errors):
            stream.close()


@dataclass(eq=False)
class WorkerPool:
    """All workers of one executor.

    Args:
        plan: the isolation to start workers in.
        limits: for each program.
        slots: the number of programs that run at a time.
        preload: modules to import once per worker of this interpreter.
        environments: other interpreters, by the names that tests give them.

    Attributes:
        workers: those that are alive.
        closed: True once the pool is closed, which ends the programs that run.
    """

    plan: tiers.Plan
    limits: Limits
    slots: int
    preload: tuple[str, ...]
    environments: Mapping[str, Environment]

    def __post_init__(self) -> None:
        self._idle: defaultdict[tuple[str | None, str], list[Worker]] = defaultdict(list)
        self.workers: set[Worker] = set()
        self._lock = threading.Lock()
        self._free = threading.Semaphore(self.slots)
        self.closed = False

    @contextlib.contextmanager
    def worker(self, environment: str | None, runners: str = "") -> Iterator[Worker]:
        """Lend a worker of an environment for one job; another is started if none is idle.

        Args:
            environment: its name; None for this interpreter.
            runners: that it has, see `Settings`.

        Raises:
            ConfigError: the environment is not known, or its interpreter cannot be used.
            ExecutionError: none can be started, or the pool is closed.
        """
        with self._free:
            worker = self._take(environment, runners)
            try:
                yield worker
            finally:
                self._give_back(worker, (environment, runners))

    def _take(self, environment: str | None, runners: str) -> Worker:
        with self._lock:
            if self.closed:
                raise ExecutionError(CLOSED)
            idle = self._idle[environment, runners]
            if idle:
                return idle.pop()
        runtime = self._runtime(environment)
        worker = Worker(self.plan, self.limits, runtime, runners)
        if self._admit(worker):
            return worker
        worker.close()  # the pool was closed while the worker started
        raise ExecutionError(CLOSED)

    def _admit(self, worker: Worker) -> bool:
        """Add a worker to those that are alive, unless the pool is closed; tell whether that is done."""
        with self._lock:
            if not self.closed:
                self.workers.add(worker)
            return not self.closed

    def _give_back(self, worker: Worker, kind: tuple[str | None, str]) -> None:
        with self._lock:
            if worker.usable and not self.closed:
                self._idle[kind].append(worker)
                return
            self.workers.discard(worker)
        worker.close()

    def _runtime(self, environment: str | None) -> Runtime:
        if environment is None:
            return own_runtime(self.preload)
        if environment not in self.environments:
            raise ConfigError(
                f"a test needs the environment {environment!r}, which execution.environments in params.yaml lacks; "
                "name it there with its interpreter, as `iterpref ingest` printed it"
            )
        return runtime_of(self.environments[environment], namespaces=self.plan.tier == "A")

    def missing(self, packages: Iterable[str], environment: str | None) -> str:
        """Return the first package that an environment lacks; empty if it has all of them."""
        for package in packages:
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
        for worker in busy:
            worker.end()
        for worker in idle:
            worker.close()
