"""Worker pool of an executor: workers are started when needed, used again, and replaced when worn."""

import contextlib
import functools
import logging
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping

from iterpref_core.errors import ConfigError, ExecutionError
from iterpref_core.execution.interpreters import Environment, Runtime, own_runtime, runtime_of
from iterpref_core.execution.isolation import Plan
from iterpref_core.execution.programs import Limits
from iterpref_core.execution.zygote_client import NoProcessesError, ZygoteClient

logger = logging.getLogger(__name__)


@functools.cache
def _warn_of_refused_processes(environment: str, reason: str) -> None:
    logger.warning(
        "programs of the environment %r may have processes and sockets only in tier A with a seccomp listener: %s; "
        "what needs them fails (`iterpref doctor` says what tier A takes)",
        *(environment, reason),
    )


class WorkerPool:
    """All workers of one executor, and the folder their programs' folders are in (in tier B and C).

    Args:
        plan: the isolation to start workers in.
        limits: for each program.
        places: programs at a time.
        preload: modules to import once per worker of this interpreter.
        environments: other interpreters, by the names that tests give them.
    """

    def __init__(
        self,
        plan: Plan,
        limits: Limits,
        places: int,
        preload: tuple[str, ...],
        environments: Mapping[str, Environment],
    ) -> None:
        self._plan, self._limits, self._preload, self._environments = plan, limits, preload, environments
        self._scratch = "" if "bwrap" in plan.layers else tempfile.mkdtemp(prefix="iterpref-execution-")
        self._idle: defaultdict[str | None, list[ZygoteClient]] = defaultdict(list)
        self._all: set[ZygoteClient] = set()
        self._lock, self._turn, self._free = threading.Lock(), threading.Lock(), threading.Semaphore(places)
        self._closed = False

    @contextlib.contextmanager
    def worker(self, environment: str | None, places: int) -> Iterator[ZygoteClient]:
        """A worker of an environment, for one job; another is started if none is idle.

        Args:
            environment: its name; None for this interpreter.
            places: that the job takes; all of them, and nothing runs beside it.

        Raises:
            ConfigError: the environment is not known, or its interpreter cannot be used.
            ExecutionError: none can be started, or the pool is closed.
        """
        with self._turn:  # whoever waits for all places is not overtaken
            for _ in range(places):
                self._free.acquire()
        try:
            worker = self._take(environment) or self._start(environment)
            try:
                yield worker
            finally:
                self._give_back(worker, environment)
        finally:
            self._free.release(places)

    def _take(self, environment: str | None) -> ZygoteClient | None:
        with self._lock:
            if self._closed:
                raise ExecutionError("the executor is closed; run programs inside its `with` block")
            idle = self._idle[environment]
            return idle.pop() if idle else None

    def _give_back(self, worker: ZygoteClient, environment: str | None) -> None:
        with self._lock:
            if worker.usable and not self._closed:
                self._idle[environment].append(worker)
                return
            self._all.discard(worker)
        worker.close()

    def _start(self, environment: str | None) -> ZygoteClient:
        worker = self._make(environment)
        with self._lock:
            self._all.add(worker)
        return worker

    def _make(self, environment: str | None) -> ZygoteClient:
        if environment is not None and environment not in self._environments:
            raise ConfigError(
                f"a test needs the environment {environment!r}, which execution.environments in params.yaml lacks; "
                "name it there with its interpreter, as `iterpref ingest` printed it"
            )
        if environment is None:
            return self._worker(own_runtime(self._preload))
        wanted = self._environments[environment]
        if wanted.processes:
            if self._plan.tier != "A":
                _warn_of_refused_processes(environment, f"this is tier {self._plan}")
            else:
                try:
                    return self._worker(runtime_of(wanted, namespaces=True))
                except NoProcessesError as error:
                    _warn_of_refused_processes(environment, str(error))
        return self._worker(runtime_of(wanted))

    def _worker(self, runtime: Runtime) -> ZygoteClient:
        return ZygoteClient(self._plan, self._limits, runtime, scratch=self._scratch)

    def pids(self) -> list[int]:
        """Process ids of the workers (of bubblewrap in tier A)."""
        with self._lock:
            return sorted(worker.pid for worker in self._all)

    def close(self) -> None:
        """End all workers, whatever they are running, and remove what they left."""
        with self._lock:
            self._closed = True
            busy = list(self._all)
            idle = [worker for workers in self._idle.values() for worker in workers]
            self._all -= set(idle)
            self._idle.clear()
        for worker in busy:
            worker.kill()
        for worker in idle:
            worker.close()
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
