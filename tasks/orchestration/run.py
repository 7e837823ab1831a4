"""One run of the experiment: its stages, what each cost, and its record in MLflow."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel

from iterpref_core.config import Params
from iterpref_core.errors import InputError
from iterpref_core.jsonl import atomic_writer
from tasks.common.paths import STATE
from tasks.orchestration import processes
from tasks.orchestration.slots import Slots
from tasks.recording.graph import Stage

if TYPE_CHECKING:
    pass

LAST_RUN = STATE / "last_run.json"


class StageCost(BaseModel):
    """What one stage cost, in seconds: `wall_s` from starting DVC to its end, `body_s` for the core's call alone."""

    stage: str
    cached: bool
    wall_s: float
    body_s: float = 0.0
    peak_mb: float = 0.0


class RunCost(BaseModel):
    """What a run cost; `server_s` is the time that starting and stopping the services took."""

    total_s: float
    server_s: float = 0.0
    stages: list[StageCost]

    @property
    def orchestration_share(self) -> float:
        """Share of the stages' time that was not spent in their bodies; 0 where nothing ran."""
        ran = [stage for stage in self.stages if not stage.cached]
        wall = sum(stage.wall_s for stage in ran)
        return (wall - sum(stage.body_s for stage in ran)) / wall if wall else 0.0


class ExperimentRun:
    """Holds what the stages of one run share. Leaving it ends every stage that is still there.

    Raises:
        InputError: another process runs the experiment in this workspace.
    """

    def __init__(self, params: Params, graph: Mapping[str, Stage], jobs: int) -> None:
        from tasks.recording.tracking import Tracker

        self._workspace = ExitStack()
        self._workspace.enter_context(_only_run())
        self.params = params
        self.slots = Slots(graph, jobs, len(os.sched_getaffinity(0)))
        self.tracker: Tracker = Tracker()
        self.mlflow_run = self.tracker.start_experiment(params)
        self._costs: list[StageCost] = []
        self._lock = threading.Lock()
        self._started = time.monotonic()

    def add(self, cost: StageCost) -> None:
        """Note what a stage cost."""
        with self._lock:
            self._costs.append(cost)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.slots.cancel()
        processes.end_stages()
        cost = RunCost(total_s=time.monotonic() - self._started, stages=self._costs)
        with atomic_writer(LAST_RUN) as file:
            file.write(cost.model_dump_json(indent=2) + "\n")
        status = "FINISHED" if kind is None else "FAILED" if issubclass(kind, Exception) else "KILLED"
        measured = {"run/total_s": cost.total_s, "run/orchestration_share": cost.orchestration_share}
        self.tracker.end_experiment(self.mlflow_run, status, measured)
        self._workspace.close()


@contextmanager
def _only_run() -> Iterator[None]:
    """Two runs in one workspace would fight over its files.

    Raises:
        InputError: another process runs the experiment here.
    """
    path = STATE / "run.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InputError(f"process {file.read()} already runs the experiment here; wait for it or end it") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
