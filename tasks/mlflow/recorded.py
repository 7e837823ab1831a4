"""Recorded stage: one call of the core, with its metrics written, and the times of the execution."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iterpref_core.records.config import Params
from iterpref_core.storage.jsonl import atomic_writer
from tasks.dvc.lock import LockedStage, observe_end, observe_inputs
from tasks.mlflow.command import COMMAND_VARIABLE, own_command
from tasks.mlflow.execution import Times, read_execution
from tasks.mlflow.server import log_defect
from tasks.mlflow.snapshot import Snapshot
from tasks.mlflow.sync import write_snapshot
from tasks.paths import metrics_path
from tasks.stage_name import StageName

Metrics = dict[str, float]


@contextmanager
def recorded(stage: StageName, params: Params) -> Iterator[Metrics]:
    """Write the metrics that the block puts into the dictionary, and the times of the stage.

    Under a bare `dvc repro` the stage's process also writes to MLflow; otherwise the process of the command does.

    Args:
        stage: its name.
        params: the parameters that it runs with.
    """
    alone = None if COMMAND_VARIABLE in os.environ else _StageAlone(stage, params)
    started = time.time()
    metrics: Metrics = {}
    try:
        yield metrics
    except BaseException as error:
        if alone is not None:
            alone.end_badly(error, started)
        raise
    ended = time.time()
    write_metrics(stage, metrics)
    with _spared(stage):
        Times.observe(stage, started, ended)
    if alone is not None:
        alone.end_well()


def write_metrics(stage: StageName, metrics: Metrics) -> None:
    """Write the metrics of a stage, or of the main one of the processes in which it trains."""
    with atomic_writer(metrics_path(stage)) as file:
        json.dump(metrics, file, indent=2)
        file.write("\n")


class _StageAlone:
    """A stage of a bare `dvc repro`, which has not locked it yet: its state is observed as DVC does."""

    def __init__(self, stage: StageName, params: Params) -> None:
        self._stage = stage
        self._locked = LockedStage()
        self._upstream: dict[str, LockedStage] = {}
        self._command = own_command(params)
        # The parameters are those of the beginning, whatever params.yaml says in the end.
        with _spared(stage):
            self._locked, self._upstream = observe_inputs(stage)

    def end_well(self) -> None:
        """Write the stage, and what is before it, to MLflow."""
        with _spared(self._stage):
            name = str(self._stage)
            ended = observe_end(self._stage)
            if ended.params != self._locked.params:
                print(
                    f"warning: params.yaml was edited while {name} ran: MLflow has the values of its beginning, and "
                    f"dvc.lock those of its end; `dvc repro --force --single-item {name}` runs it with these",
                    file=sys.stderr,
                )
            locked = self._locked.model_copy(update={"outs": ended.outs})
            stages = self._upstream | {name: locked}
            executions = {each: read_execution(each, stages[each], Path()) for each in stages}
            times = executions[name].times
            assert times is not None, "it was executed here"
            snapshot = Snapshot(
                command=self._command,
                executions=executions,
                status="FINISHED",
                started=times.started,
                ended=times.ended,
            )
            write_snapshot(snapshot, Path())

    def end_badly(self, error: BaseException, started: float) -> None:
        """Write to MLflow that the command has failed, and why."""
        with _spared(self._stage):
            failed = isinstance(error, Exception)
            reason = (str(error) or type(error).__name__) if failed else "it was told to end"
            snapshot = Snapshot(
                command=self._command,
                status="FAILED" if failed else "KILLED",
                error=f"{self._stage}: {reason}",
                started=started,
                ended=time.time(),
            )
            write_snapshot(snapshot)


@contextmanager
def _spared(stage: StageName) -> Iterator[None]:
    """Turn every error in the block into a warning: a record must not cost the work of hours."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - DVC's, git's, the disk's
        log_defect(error)
        reason = f"{type(error).__name__}: {error}"
        print(f"warning: the record of {stage} in MLflow will not be complete: {reason}", file=sys.stderr)
