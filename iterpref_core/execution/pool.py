"""Worker pool of an executor: workers are started when needed, used again, and replaced when worn."""

import functools
import logging
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Mapping

from iterpref_core.errors import ConfigError, ExecutionError
from iterpref_core.execution.interpreters import Environment, Runtime, own_runtime, runtime_of
from iterpref_core.execution.isolation import Plan
from iterpref_core.execution.programs import Limits
from iterpref_core.execution.sandbox import source_digest as sources
from iterpref_core.execution.zygote_client import NoProcessesError, ZygoteClient

logger = logging.getLogger(__name__)


@functools.cache
def _sources() -> str:
    """The inside's digest when this process first used it."""
    return sources.digest()


@functools.cache
def _warn_of_refused_processes(environment: str, reason: str) -> None:
    logger.warning(
        "programs of the environment %r may have processes and sockets only in tier A with a seccomp listener: %s; "
        "what needs them fails (`iterpref doctor` says what tier A takes)",
        *(environment, reason),
    )


RECYCLE_AFTER = 5000
"""Jobs after which a zygote is replaced by a fresh one."""


class WorkerPool:
    """All workers of one executor, and the folder their programs' folders are in (in tier B and C).

    Args:
        plan: the isolation to start workers in.
        limits: for each program.
        preload: modules to import once per worker of this interpreter.
        environments: other interpreters, by the names that tests give them.
    """

    def __init__(
        self, plan: Plan, limits: Limits, preload: tuple[str, ...], environments: Mapping[str, Environment]
    ) -> None:
        self._plan, self._limits, self._preload, self._environments = plan, limits, preload, environments
        self._scratch = "" if "bwrap" in plan.layers else tempfile.mkdtemp(prefix="iterpref-execution-")
        self._sources = _sources()
        self._idle: defaultdict[str | None, list[ZygoteClient]] = defaultdict(list)
        self._all: set[ZygoteClient] = set()
        self._lock = threading.Lock()
        self._closed = False

    def hire(self, environment: str | None, *, fresh: bool = False) -> ZygoteClient:
        """An idle worker of an environment, or a new one if there is none or a fresh one is asked for.

        Raises:
            ConfigError: the environment is not known, or its interpreter cannot be used.
            ExecutionError: none can be started.
        """
        while not fresh and (worker := self._take(environment)) is not None:
            if worker.jobs < RECYCLE_AFTER:
                return worker
            self.dismiss(worker)
        if self._closed:
            raise ExecutionError("the executor is closed; run programs inside its `with` block")
        worker = self._start(environment)
        with self._lock:
            self._all.add(worker)
        return worker

    def _start(self, environment: str | None) -> ZygoteClient:
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
        return ZygoteClient(self._plan, self._limits, runtime, scratch=self._scratch, sources=self._sources)

    def _take(self, environment: str | None) -> ZygoteClient | None:
        with self._lock:
            idle = self._idle[environment]
            return idle.pop() if idle else None

    def put_back(self, worker: ZygoteClient, environment: str | None) -> None:
        """Take back a worker of an environment that has answered."""
        with self._lock:
            self._idle[environment].append(worker)

    def dismiss(self, worker: ZygoteClient) -> None:
        """End a worker and whatever it is running."""
        with self._lock:
            known = worker in self._all
            self._all.discard(worker)
        if known:
            worker.kill()

    def pids(self) -> list[int]:
        """Process ids of the workers (of bubblewrap in tier A)."""
        with self._lock:
            return sorted(worker.pid for worker in self._all)

    def close(self) -> None:
        """End all workers and remove what they left."""
        self._closed = True
        with self._lock:
            self._idle.clear()
            workers = list(self._all)
        for worker in workers:
            self.dismiss(worker)
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
