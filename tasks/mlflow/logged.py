"""Logged stage: one call of the core, with its metrics written; under a bare `dvc repro`, with its run in MLflow."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iterpref_core.records.config import Params
from iterpref_core.storage.jsonl import atomic_writer
from tasks.dvc.lock import LockedStage, observe_stage
from tasks.dvc.reproduction import Times
from tasks.mlflow.command import COMMAND_VARIABLE, describe_command
from tasks.mlflow.entry import Entry, Status, told_end
from tasks.mlflow.finished_stage import read_stage
from tasks.mlflow.server import log_defect
from tasks.mlflow.sync import write_entry
from tasks.paths import metrics_path
from tasks.stage_name import StageName

Metrics = dict[str, float]


@contextmanager
def logged(stage: StageName, params: Params) -> Iterator[Metrics]:
    """Write the metrics that the block puts into the dictionary.

    Under a bare `dvc repro` the stage's process also writes to MLflow; otherwise the process of the command does.

    Args:
        stage: its name.
        params: the parameters that it runs with.
    """
    metrics: Metrics = {}
    if COMMAND_VARIABLE in os.environ:
        yield metrics
        write_metrics(stage, metrics)
        return
    with told_end(_StageAlone(stage, params).end):
        yield metrics
        write_metrics(stage, metrics)


def write_metrics(stage: StageName, metrics: Metrics) -> None:
    """Write the metrics of a stage, or of the main one of the processes in which it trains."""
    with atomic_writer(metrics_path(stage)) as file:
        json.dump(metrics, file, indent=2)
        file.write("\n")


class _StageAlone:
    """A stage of a bare `dvc repro`, which has not locked it yet: its state is observed as DVC does."""

    def __init__(self, stage: StageName, params: Params) -> None:
        self._stage = stage
        now = time.time()
        self._entry = Entry(command=describe_command("dvc repro", params), started=now, ended=now)
        self._begun = LockedStage()
        # The parameters are those of the beginning, whatever params.yaml says in the end.
        with self._spared():
            self._begun = observe_stage(stage, outs=False)

    def end(self, status: Status, reason: str) -> None:
        """Write to MLflow how the stage has ended."""
        entry = self._entry
        entry.status = status
        entry.ended = time.time()
        if reason:
            entry.error = f"{self._stage}: {reason}"
        with self._spared():
            if status == "FINISHED":
                self._add(entry)
            write_entry(entry, Path())

    def _add(self, entry: Entry) -> None:
        """Add the stage, with the parameters of its beginning and the outputs of its end."""
        name = str(self._stage)
        ended = observe_stage(self._stage, outs=True)
        if ended.params != self._begun.params:
            print(
                f"warning: params.yaml was edited while {name} ran: MLflow has the values of its beginning, and "
                f"dvc.lock those of its end; `dvc repro --force --single-item {name}` runs it with these",
                file=sys.stderr,
            )
        locked = self._begun.model_copy(update={"outs": ended.outs})
        entry.stages[name] = read_stage(name, locked, Path(), Times(entry.started, entry.ended))

    @contextmanager
    def _spared(self) -> Iterator[None]:
        """Turn every error in the block into a warning: an entry must not cost the work of hours."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - DVC's, git's, the disk's
            log_defect(error)
            reason = f"{type(error).__name__}: {error}"
            print(f"warning: the entry of {self._stage} in MLflow will not be complete: {reason}", file=sys.stderr)
