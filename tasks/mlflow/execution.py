"""Execution: a stage that is up to date, as DVC describes it, with its metrics and the times at which it ran here."""

import csv
import hashlib
import json
import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from iterpref_core.storage.jsonl import atomic_writer
from tasks.dvc.lock import LockedStage
from tasks.paths import STATE, metrics_path
from tasks.stage_name import StageName

PAGE_VARIABLE = "ITERPREF_PREFECT_PAGE"
"""Tells a stage's process the address of its page in Prefect."""


class Times(BaseModel, frozen=True):
    """The last execution of a stage in this folder.

    The times are not among the stage's metrics: they would differ in each execution, so that the report would never be
    up to date, and no two experiments equal.

    Attributes:
        started: seconds since the epoch.
        ended: seconds since the epoch.
        page: address of the stage's page in Prefect.
        metrics: MD5 of the file of metrics that the execution wrote.
    """

    started: float
    ended: float
    page: str = ""
    metrics: str = ""

    @classmethod
    def observe(cls, stage: StageName, started: float, ended: float) -> Self:
        """Keep the times of an execution that has written its metrics."""
        times = cls(
            started=started,
            ended=ended,
            page=os.environ.get(PAGE_VARIABLE, ""),
            metrics=_md5(metrics_path(stage).read_bytes()),
        )
        with atomic_writer(_times_path(Path(), stage)) as file:
            file.write(times.model_dump_json())
        return times


class Execution(BaseModel):
    """A stage that is up to date.

    Attributes:
        stage: DVC's name of the stage.
        locked: its inputs, parameters and outputs.
        times: when it ran here; None if DVC has brought its outputs back, or somebody else made them.
        metrics: the stage's metrics; none if they are not in this folder.
        curve: rows of a training's curve.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    stage: str
    locked: LockedStage
    times: Times | None = None
    metrics: dict[str, float] = {}
    curve: list[dict[str, str]] = []

    @property
    def name(self) -> StageName:
        """The stage's name in two parts."""
        return StageName.parse(self.stage)

    @property
    def key(self) -> str:
        """A digest that is equal for executions with equal inputs, parameters and outputs."""
        artifacts = [[item.path, item.md5] for item in (*self.locked.deps, *self.locked.outs)]
        text = json.dumps([self.stage, artifacts, self.locked.params], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def live_key(self) -> str:
        """The key of its run while it has no outputs yet."""
        return Execution(stage=self.stage, locked=self.locked.model_copy(update={"outs": ()})).key


def read_execution(stage: str, locked: LockedStage, folder: Path) -> Execution:
    """Return a stage of dvc.lock, with what this folder has of it.

    Args:
        stage: DVC's name of the stage.
        locked: its inputs, parameters and outputs.
        folder: the checkout or worktree. Files there that are not those of dvc.lock are left alone.
    """
    name = StageName.parse(stage)
    path = metrics_path(name)
    curve = path.with_suffix(".curve.csv")
    digests = {out.path: out.md5 for out in locked.outs}

    def read(path: Path) -> bytes:
        content = (folder / path).read_bytes() if (folder / path).is_file() else b""
        return content if _md5(content) == digests.get(path.as_posix()) else b""

    metrics = read(path)
    rows = csv.DictReader(read(curve).decode().splitlines())
    try:
        times = Times.model_validate_json(_times_path(folder, name).read_bytes())
    except (FileNotFoundError, ValueError):
        times = None
    if times is not None and times.metrics != digests.get(path.as_posix()):
        times = None  # of an execution whose outputs are others
    return Execution(stage=stage, locked=locked, times=times, metrics=json.loads(metrics or b"{}"), curve=list(rows))


def _md5(content: bytes) -> str:
    """Return DVC's digest of a file."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _times_path(folder: Path, stage: StageName) -> Path:
    return folder / STATE / "times" / f"{stage}.json"
