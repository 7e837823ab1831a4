"""The workers of an executor: hired when needed, used again, replaced when worn."""

import functools
import shutil
import tempfile
import threading

from iterpref_core.errors import ExecutionError
from iterpref_core.execution.inside import sources
from iterpref_core.execution.isolation import Plan
from iterpref_core.execution.programs import Limits
from iterpref_core.execution.worker import Worker


@functools.cache
def _sources() -> str:
    """The inside's digest when this process first used it."""
    return sources.digest()


RECYCLE_AFTER = 5000
"""Jobs after which a zygote is replaced by a fresh one."""


class WorkerPool:
    """All workers of one executor, and the folder their programs' folders are in (in tier B and C).

    Args:
        plan: the isolation to start workers in.
        limits: for each program.
        preload: modules to import once per worker.
    """

    def __init__(self, plan: Plan, limits: Limits, preload: tuple[str, ...]) -> None:
        self._plan, self._limits, self._preload = plan, limits, preload
        self._scratch = "" if "bwrap" in plan.layers else tempfile.mkdtemp(prefix="iterpref-execution-")
        self._sources = _sources()
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def hire(self, *, fresh: bool = False) -> Worker:
        """An idle worker, or a new one if there is none or a fresh one is asked for.

        Raises:
            ExecutionError: none can be started.
        """
        while not fresh and (worker := self._take()) is not None:
            if worker.jobs < RECYCLE_AFTER:
                return worker
            self.dismiss(worker)
        if self._closed:
            raise ExecutionError("the executor is closed; run programs inside its `with` block")
        worker = Worker(self._plan, self._limits, self._preload, scratch=self._scratch, sources=self._sources)
        with self._lock:
            self._all.add(worker)
        return worker

    def _take(self) -> Worker | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def put_back(self, worker: Worker) -> None:
        """Take back a worker that has answered."""
        with self._lock:
            self._idle.append(worker)

    def dismiss(self, worker: Worker) -> None:
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
