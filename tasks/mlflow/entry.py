"""Describe a command and its finished stages, in a file if MLflow cannot record them now.

The files are next to the stored answers of models, so they outlive a work pool's clone.
"""

import csv
import json
import platform
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from getpass import getuser
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from psutil import Process
from pydantic import BaseModel, ConfigDict, Field

from iterpref_core.models.pretrained.lineage import read_lineage
from iterpref_core.records import ModelLineage, Params, digest_of, flatten
from iterpref_core.storage.jsonl import write_text
from tasks.addresses import ShownText
from tasks.dvc.commands import Times
from tasks.dvc.observation import LockedStage, read_lock
from tasks.git.source import Source, code_tags, name_run
from tasks.paths import STATE, home
from tasks.stages import find_stage

Point = tuple[str, int, float]
"""Name, step and value of a metric."""


class FinishedStage(LockedStage):
    """A stage that is up to date.

    Attributes:
        name: DVC's name of the stage.
        params: its parameters, by dotted key.
        times: when the command ran it; None if its outputs were there, or DVC has brought them back.
        points: its metrics; none if their files are not in this folder.
        tags: the code that it ran with.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    name: str
    times: Times | None = None
    points: tuple[Point, ...] = ()
    tags: Mapping[str, str] = {}


def read_stage(name: str, locked: LockedStage, times: Times | None, folder: Path = Path()) -> FinishedStage:
    """Return a stage of dvc.lock, with this folder's metrics of it.

    Args:
        name: DVC's name of the stage.
        locked: its inputs, parameters and outputs.
        times: when the command ran it, if it did.
        folder: the checkout or worktree. A sweep's worktree lacks metrics of the stages that it did not need.
    """
    stage, item = find_stage(name)
    path = folder / stage.metrics_path(item)
    curve = path.with_suffix(".curve.csv")
    points: list[Point] = []
    # A row of the curve: `step,loss,eval_loss`; a column can be empty at some steps.
    if curve.is_file():
        for row in csv.DictReader(curve.read_text(encoding="utf-8").splitlines()):
            step = int(row.pop("step"))
            points += [(column, step, float(value)) for column, value in row.items() if value]
    if path.is_file():
        curves = {column for column, _, _ in points}
        metrics = json.loads(path.read_bytes())
        # A metric that has a curve is already there, with all its steps.
        points += [(metric, 0, value) for metric, value in metrics.items() if metric not in curves]
    params = dict(flatten(locked.params))
    return FinishedStage(
        name=name, deps=locked.deps, outs=locked.outs, params=params, times=times, points=tuple(points)
    )


class CommandRecord(BaseModel):
    """A command that brings stages up to date, and how far it is.

    Attributes:
        key: identifies its run, also for the next command, if this one is killed.
        name: name of its run.
        params: all parameters, by dotted key.
        tags: user, commit, and a digest of code and parameters, by which MLflow can group commands.
        sources: the code that was there when it began and after each of its stages, without repetitions.
        stages: the stages that are up to date, by name.
        status: in MLflow's words.
        error: why it failed.
        started: seconds since the epoch.
        ended: seconds since the epoch: of the last look, while it runs.
        folder: the checkout or worktree with its report; None after its end, when the report may be another one.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants", validate_assignment=True)

    key: str
    name: ShownText
    params: dict[str, ShownText]
    tags: dict[str, str]
    sources: tuple[Source, ...] = ()
    stages: dict[str, FinishedStage] = {}
    status: Literal["RUNNING", "FINISHED", "FAILED", "KILLED"] = "RUNNING"
    error: ShownText = ""
    started: float = Field(default_factory=time.time)
    ended: float = Field(default_factory=time.time)
    folder: Path | None = Field(default=None, exclude=True)

    @property
    def path(self) -> Path:
        """The entry's file."""
        return entries_folder() / f"{self.key}.json"

    def observe(self, source: Source) -> None:
        """Note the code that is there now. The user may have committed or edited since the last look."""
        if source != self.sources[-1]:
            self.sources = (*self.sources, source)
            self.tags |= code_tags(self.sources)

    def add(
        self, stages: Iterable[str], times: Mapping[str, Times] = {}, folder: Path = Path(), begun: int = 0
    ) -> None:
        """Add stages that are up to date.

        Args:
            stages: DVC's names of them.
            times: start and end of each stage that ran.
            folder: the checkout or worktree where they ran.
            begun: the number of `sources` before the one that was there when they began.
        """
        self.folder = folder.resolve()
        lock = read_lock(folder)
        for name in stages:
            # A stage without outputs is in no lock.
            if name in lock and (name in times or name not in self.stages):
                stage = read_stage(name, lock[name], times.get(name), self.folder)
                self.stages[name] = stage.model_copy(update={"tags": code_tags(self.sources[begun:])})

    def keep(self) -> None:
        """Write the file. Rows of an earlier state of the command that MLflow does not have yet stay."""
        if self.path.is_file():
            before = CommandRecord.model_validate_json(self.path.read_bytes())
            self.stages = {**before.stages, **self.stages}
            self.started = min(before.started, self.started)
        write_text(self.path, self.model_dump_json(indent=2))


def begin_entry(
    command: str, params: Params, source: Source, name: str = "", page: str = "", process: Process | None = None
) -> CommandRecord:
    """Return the entry of a command, which begins.

    Args:
        command: the command, such as `iterpref run`.
        params: all parameters.
        source: the code and parameters that the command starts from.
        name: name of its run; by default the parameters that differ.
        page: address of its run in Prefect, if it has one.
        process: runs the stages, each in a process of its own that begins this entry, as `dvc repro` does. They share
            it as long as code and parameters are equal.
    """
    values = {key: str(value) for key, value in flatten(params.model_dump(mode="json"))}
    trained = read_lineage(params.training.start or params.model.student)
    state = digest_of([source.commit, source.edits, values])
    shared = process and digest_of([platform.node(), process.pid, process.create_time(), state])
    return CommandRecord(
        key=shared or secrets.token_hex(16),
        name=name or name_run(command, source),
        params=values,
        # MLflow's own tags for the source of a run.
        tags={
            "mlflow.user": getuser(),
            "mlflow.source.name": command,
            "mlflow.source.type": "LOCAL",
            **code_tags([source]),
            "iterpref.state": state,
            "iterpref.processor": _processor(),
            **({"prefect.flow_run": page} if page else {}),
            **({"iterpref.student": _trained_by(trained)} if trained and trained.objective else {}),
        },
        sources=(source,),
        folder=Path(),
    )


def _trained_by(lineage: ModelLineage) -> str:
    """Return what identifies the run that trained a model: MLflow has the digest of its pairs, and its commit."""
    return f"{lineage.objective}, pairs {lineage.data.get('pairs')}, commit {lineage.commit or 'unknown'}"


def _processor() -> str:
    """Return the processor's name, because scores differ a little between processors."""
    described = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", described.read_text("utf-8")) if described.is_file() else None
    return found[1] if found else platform.processor() or platform.machine()


def entries_folder() -> Path:
    """Return the folder of the entries that MLflow does not have."""
    return home() / STATE / "mlflow"


def lock_of(path: Path) -> FileLock:
    """Return the lock that a command holds while it runs, next to its entry's file; the system releases it."""
    return FileLock(path.with_suffix(".lock"))


def is_running(path: Path) -> bool:
    """Return whether the file belongs to a command that goes on."""
    try:
        with lock_of(path).acquire(blocking=False):
            return False
    except Timeout:
        return True


def kept_entries() -> list[Path]:
    """Return the files of the entries that MLflow does not have, and of commands under way, the oldest first."""
    return sorted(entries_folder().glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
