"""Experiment run: its stages, what each cost, and its record in MLflow."""

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel

from iterpref_core.config import Params
from iterpref_core.cores import usable_cores
from iterpref_core.errors import InputError
from iterpref_core.storage.jsonl import atomic_writer
from tasks.common.paths import STATE
from tasks.orchestration import processes
from tasks.orchestration.disk_space import check_workspace
from tasks.orchestration.repair import mend_dvc
from tasks.orchestration.slots import Slots
from tasks.orchestration.stage_environment import child_environment, home
from tasks.orchestration.workspace_lock import only_one
from tasks.recording.dvc_graph import Stage, stale_stages

if TYPE_CHECKING:
    from tasks.recording.tracking import StageRun

log = logging.getLogger("iterpref.run")

LAST_RUN = STATE / "last_run.json"
"""In the workspace itself, also of a run in a copy of it."""


class StageCost(BaseModel):
    """What one stage cost, in seconds: `wall_s` from starting DVC to its end, `body_s` for the core's call alone.

    `cpu_s` is the CPU time of that call.
    """

    stage: str
    cached: bool
    wall_s: float
    body_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0


class RunCost(BaseModel):
    """What a run cost; `server_s` is the time that starting and stopping the services took.

    `cpu_s` is the CPU time of the run's process and of all that it started, the services included.
    """

    total_s: float
    server_s: float = 0.0
    cpu_s: float = 0.0
    cores: int = 1
    stages: list[StageCost]

    @property
    def orchestration_share(self) -> float:
        """Share of the stages' time that was not spent in their bodies; 0 where nothing ran."""
        ran = [stage for stage in self.stages if not stage.cached]
        wall = sum(stage.wall_s for stage in ran)
        return (wall - sum(stage.body_s for stage in ran)) / wall if wall else 0.0

    @property
    def cpu_share(self) -> float:
        """Share of the cores' time, while the run lasted, that was used."""
        return self.cpu_s / (self.total_s * self.cores)


class Naming(NamedTuple):
    """By what one of several experiments of a flow run is known.

    Attributes:
        label: stands before the names of its stages in Prefect.
        run: its run's name in MLflow; None for one made of its parameters.
        tags: of that run.
        saved: whether it becomes a DVC experiment of that name.
    """

    label: str = ""
    run: str | None = None
    tags: Mapping[str, str] = MappingProxyType({})
    saved: bool = False


class ExperimentRun:
    """Holds what the stages of one run share. Leaving it ends every stage that is still there.

    Args:
        params: of the present folder.
        graph: the stages that are asked for, with all they need.
        jobs: how many of them may run at once.
        forced: names of those that run even where nothing has changed.
        naming: by what it is known, where a flow run holds several experiments.

    Raises:
        InputError: another process runs the experiment in this workspace.
        StorageError: the workspace must not be written, or its disk is full.
    """

    def __init__(
        self,
        params: Params,
        graph: Mapping[str, Stage],
        jobs: int,
        forced: Iterable[str],
        naming: Naming,
    ) -> None:
        # Not above: the command line imports this module before it says where Prefect's server is.
        from tasks.orchestration.prefect_artifacts import flow_run_page
        from tasks.recording.tracking import Tracker

        check_workspace()
        self._workspace = ExitStack()
        self._workspace.enter_context(only_one(STATE / "run.lock", _refuse))
        clear_crashed_run()
        self.params = params
        self.naming = naming
        self.forced = frozenset(forced)
        self._reproduced = self.forced | stale_stages()
        self.slots = Slots(graph, jobs, usable_cores())
        self.tracker: Tracker = Tracker()
        self.mlflow_run = self.tracker.start_experiment(params, naming.run, naming.tags, graph, flow_run_page())
        self.warned: set[str] = set()  # what stages warned of: seven models need not say seven times what is missing
        self._costs: list[StageCost] = []
        self._lock = threading.Lock()
        self._started = time.monotonic()

    def needs_dvc(self, stage: Stage) -> bool:
        """Whether only DVC can say if the stage is up to date; where it need not be asked, no process is started.

        That is so where the one look at all stages found it stale, or where DVC was asked about a stage before it.
        """
        with self._lock:
            if stage.name in self._reproduced or not self._reproduced.isdisjoint(stage.upstream):
                self._reproduced |= {stage.name}
                return True
        return False

    def record(self, stage: Stage, *, cached: bool = False) -> "StageRun":
        """Create the stage's run in MLflow; called in the stage's task."""
        from tasks.orchestration.prefect_artifacts import task_run_page
        from tasks.recording.tracking import StageRun

        saved = self.naming.run if self.naming.saved else None
        page = task_run_page()
        return StageRun(self.tracker, stage, self.mlflow_run, self.params, cached=cached, saved=saved, prefect=page)

    def stage_environment(self, parent: UUID, cores: int) -> dict[str, str]:
        """The environment of a stage's process, which may use so many cores; `parent` is the flow run."""
        return child_environment(parent, cores, self.naming.label)

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
        with atomic_writer(home() / LAST_RUN) as file:
            file.write(cost.model_dump_json(indent=2) + "\n")
        status = "FINISHED" if kind is None else "FAILED" if issubclass(kind, Exception) else "KILLED"
        measured = {"run/total_s": cost.total_s, "run/orchestration_share": cost.orchestration_share}
        self.tracker.end_experiment(self.mlflow_run, status, measured)
        self._workspace.close()


def clear_crashed_run() -> None:
    """End what a killed run left running in the present folder, and mend what it left half-written, before DVC looks.

    To be called by whoever holds the folder's lock.
    """
    processes.end_leftovers(services=False)  # they may be of a run that a worker started
    for mended in mend_dvc():
        log.warning("%s", mended)


def _refuse(holder: str) -> None:
    """Two runs in one workspace would fight over its files."""
    raise InputError(f"process {holder} already runs the experiment here; wait for it or end it")
