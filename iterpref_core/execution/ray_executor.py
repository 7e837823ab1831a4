"""Ray executor: the same stream of jobs on a cluster; every task is an `Executor` on whatever node has free CPUs.

Ray places the tasks, and starts them again elsewhere if their node is lost. What a task returns is counted when the
supervisor fetches it, in the order of the input: a lost node costs time, and neither loses nor repeats an outcome.
"""

import logging
import os
import re
import socket
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from iterpref_core.errors import ExecutionError
from iterpref_core.execution import isolation
from iterpref_core.execution.engine import Engine
from iterpref_core.execution.executor import Executor
from iterpref_core.execution.interpreters import Environment
from iterpref_core.execution.programs import Limits, Outcome, Program

logger = logging.getLogger(__name__)

CHUNK = 25
"""Programs per task: enough that passing them on costs little, few enough that a lost node costs little."""
LOOK_AHEAD = 3
"""Tasks per free place of the cluster that are handed over before their outcomes are due."""
NODES_LOST = 5
"""Times a task is started again because its node or process was lost; then something other than chance is at work."""
_ANSWER_S = 10


class _LostError(ExecutionError):
    """A task has no result, because its node or process is gone."""


@dataclass(frozen=True)
class _Settings:
    """What an executor on a node is made with."""

    limits: Limits
    workers: int
    allow_unsafe: bool
    preload: tuple[str, ...]
    environments: tuple[tuple[str, Environment], ...]


_opened: dict[_Settings, Executor] = {}
"""The executors of a node's process. It serves one job after another, and Ray ends it with the driver; workers end
with the process that started them."""


def _run_chunk(settings: _Settings, programs: list[Program], first: int) -> list[Outcome]:
    if settings not in _opened:
        _opened[settings] = Executor(
            settings.limits,
            workers=settings.workers,
            allow_unsafe=settings.allow_unsafe,
            preload=settings.preload,
            environments=dict(settings.environments),
        )
    return list(_opened[settings].run(programs, first=first))


def _isolation(settings: _Settings) -> str:
    return str(isolation.choose(allow_unsafe=settings.allow_unsafe, namespaces=True))


class RayExecutor(Engine):
    """Runs untrusted programs on the nodes of a Ray cluster; used like `Executor`.

    The cluster is the one at `RAY_ADDRESS`, or else one that Ray starts on this machine. Its nodes need this package
    in the same version.

    Args:
        limits: for each program.
        workers: zygotes per task, and the CPUs that a task asks for.
        allow_unsafe: accept nodes with isolation weaker than tier B.
        preload: modules to import once per zygote.
        environments: other interpreters, by the names that tests give them; every node needs them at the same paths.

    Raises:
        IsolationError: untrusted programs cannot be isolated on some node.
        ExecutionError: the cluster cannot be reached, or no node has `workers` CPUs.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        workers: int,
        allow_unsafe: bool = False,
        preload: tuple[str, ...] = (),
        environments: Mapping[str, Environment] | None = None,
    ) -> None:
        self.limits = limits
        self._settings = _Settings(limits, workers, allow_unsafe, tuple(preload), tuple((environments or {}).items()))
        self._connected_here = not ray.is_initialized()
        if self._connected_here:
            _connect()
        self._task: Any = ray.remote(num_cpus=workers, max_retries=NODES_LOST)(_run_chunk)
        with ExitStack() as undo:
            undo.callback(self.close)
            self.isolation = self._isolation_of_nodes()
            undo.pop_all()

    def close(self) -> None:
        """Leave the cluster, if it was this executor that joined it; Ray ends what ran for it."""
        if self._connected_here:
            ray.shutdown()

    @property
    def places(self) -> int:
        """How many runs of one program are worth having under way at once: each is a task of its own."""
        return self._tasks_at_once()

    def run(self, programs: Iterable[Program], *, first: int = 0) -> Iterator[Outcome]:
        """Outcomes in the order of the programs, streaming, with a bounded look-ahead.

        Several runs may be under way at once, in one thread or in many.

        Raises:
            ExecutionError: the cluster is gone, or a task was lost again and again.
            ValueError: the expected value of a test is not a literal.
        """
        source = iter(programs)
        # What is under way when a run is abandoned comes to its end: little, and Ray (2.60) aborts the driver now and
        # then when a task is cancelled that is just ending.
        waiting: deque[Any] = deque()
        while True:
            room = self._room()
            while len(waiting) < room and (chunk := list(islice(source, CHUNK))):
                waiting.append(self._task.remote(self._settings, chunk, first))
                first += len(chunk)
            if not waiting:
                return
            yield from _fetch(waiting.popleft())

    def _nodes(self) -> list[str]:
        """Ids of the nodes that are alive and big enough for a task."""
        enough = self._settings.workers
        return [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= enough]

    def _room(self) -> int:
        """Tasks that may be under way."""
        return LOOK_AHEAD * self._tasks_at_once()

    def _tasks_at_once(self) -> int:
        """Tasks that run at the same time. The cluster may grow and shrink while it works."""
        return max(1, int(ray.cluster_resources().get("CPU", 0)) // self._settings.workers)

    def _isolation_of_nodes(self) -> str:
        nodes = self._nodes()
        if not nodes:
            raise ExecutionError(
                f"no node of the Ray cluster has {self._settings.workers} CPUs; lower execution.workers, "
                "which is what each task asks for"
            )
        probe: Any = ray.remote(num_cpus=0)(_isolation)
        asked = {
            node: probe.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
                self._settings
            )
            for node in nodes
        }
        found = set()
        for node, answer in asked.items():
            try:
                found.add(_fetch(answer))
            except _LostError as error:  # a dead node counts as alive until its heartbeats have been missed
                logger.warning("node %s of the Ray cluster does not answer: %s", node, error)
        if not found:
            raise ExecutionError("no node of the Ray cluster answers; look at `ray status`")
        return " | ".join(sorted(found))


def _connect() -> None:
    address = os.environ.get("RAY_ADDRESS", "")
    # A cluster of our own is for this machine alone.
    own: dict[str, Any] = {} if address else {"_node_ip_address": "127.0.0.1"}
    try:
        if match := re.fullmatch(r"(?:ray://)?(.+):(\d+)", address):  # Ray itself would try for many minutes
            socket.create_connection((match[1], int(match[2])), timeout=_ANSWER_S).close()
        ray.init(log_to_driver=False, logging_level=logging.WARNING, include_dashboard=False, **own)
    except (OSError, RayError) as error:
        raise ExecutionError(
            f"the Ray cluster at {address or 'this machine'} cannot be reached ({error}); check RAY_ADDRESS"
        ) from None


def _fetch(task: Any) -> Any:
    """What a task returned; its own errors as they were raised there."""
    try:
        return ray.get(task)
    except RayTaskError as error:
        raise error.cause from None
    except RayError as error:
        raise _LostError(f"the Ray cluster lost a task: {error}") from None
