"""Run programs on the nodes of a Ray cluster: each task runs one program, on any node with a free CPU.

Ray places the tasks, and starts them again elsewhere if their node is lost. A result counts when the supervisor fetches
it. So a lost node costs time, but an outcome is never lost or repeated.
"""

import functools
import logging
import os
import pickle
import re
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from iterpref_core.records import ExecutionError

from ..isolation.interpreters import Environment
from ..protocol.programs import Limits, Outcome, Program
from .engine import Engine, T
from .executor import Executor
from .workers import CLOSED

NODES_LOST = 5
"""Times that a task is started again because its node or process was lost; after that the cause is not chance."""
_ANSWER_S = 10


@functools.cache
def _executor(settings: bytes) -> Executor:
    """Return the executor of this process on a node, which runs one task after another and ends with the process."""
    return Executor(**pickle.loads(settings), workers=1)


def _act(settings: bytes, action: Callable[[Executor], Any]) -> Any:
    return action(_executor(settings))


class RayExecutor(Engine):
    """Runs untrusted programs on the nodes of a Ray cluster; used like `Executor`.

    The cluster is at `RAY_ADDRESS`, or Ray starts one on this machine. Its nodes need the same version of this package.
    There is one slot for each CPU of the cluster.

    Args:
        limits: limits of each program.
        allow_unsafe: accept nodes with isolation weaker than tier B.
        preload: modules to import once in each zygote.
        environments: other interpreters, by the names in tests; every node needs them at the same paths.

    Raises:
        IsolationError: untrusted programs cannot be isolated on the node that was asked.
        ExecutionError: the cluster cannot be reached.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        allow_unsafe: bool = False,
        preload: tuple[str, ...] = (),
        environments: Mapping[str, Environment] | None = None,
    ) -> None:
        self.limits = limits
        settings = {"allow_unsafe": allow_unsafe, "preload": preload, "environments": environments}
        self._settings = pickle.dumps(settings | {"limits": limits})
        self._awaited: set[Future[Any]] = set()
        self._connected_here = not ray.is_initialized()
        if self._connected_here:
            _connect()
        # Each task occupies one CPU of the cluster.
        self._task: Any = ray.remote(num_cpus=1, max_retries=NODES_LOST)(_act)
        try:
            self.isolation = self._do(lambda executor: executor.isolation)
            self.slots = max(1, int(ray.cluster_resources().get("CPU", 1)))
        except BaseException:
            self.close()
            raise

    def _do(self, action: Callable[[Executor], T]) -> T:
        """Run an action on a node and return its result, or raise the error that it raised there."""
        if not ray.is_initialized():
            raise ExecutionError(CLOSED)
        # `ray.get` would wait for ever in this thread, and keep the process, once another thread has left the cluster.
        result: Future[T] = self._task.remote(self._settings, action).future()
        self._awaited.add(result)
        try:
            return result.result()
        except CancelledError:
            raise ExecutionError(CLOSED) from None
        except RayTaskError as error:
            raise error.cause from None
        except RayError as error:
            raise ExecutionError(f"the Ray cluster lost a task: {error}") from None
        finally:
            self._awaited.discard(result)

    def run_one(self, program: Program) -> Outcome:
        """See `Engine.run_one`."""
        return self._do(lambda executor: executor.run_one(program))

    def call(self, program: Program) -> tuple[list[Any], Outcome]:
        """See `Engine.call`."""
        return self._do(lambda executor: executor.call(program))

    def close(self) -> None:
        """Leave the cluster if this executor joined it; Ray ends its tasks."""
        if self._connected_here:
            ray.shutdown()
            for result in tuple(self._awaited):
                result.cancel()


def _connect() -> None:
    address = os.environ.get("RAY_ADDRESS", "")
    # A cluster that Ray starts here serves only this machine.
    options: dict[str, Any] = {} if address else {"_node_ip_address": "127.0.0.1"}
    try:
        # Ray itself would try for many minutes.
        if match := re.fullmatch(r"(?:ray://)?(.+):(\d+)", address):
            socket.create_connection((match[1], int(match[2])), timeout=_ANSWER_S).close()
        ray.init(log_to_driver=False, logging_level=logging.WARNING, include_dashboard=False, **options)
    except (OSError, RayError) as error:
        raise ExecutionError(
            f"the Ray cluster at {address or 'this machine'} cannot be reached ({error}); check RAY_ADDRESS"
        ) from None
