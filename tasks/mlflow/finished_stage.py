"""Finished stage: a stage that is up to date, as DVC describes it, with its metrics and when it ran here."""

import csv
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tasks.digest import digest_of
from tasks.dvc.lock import LockedStage
from tasks.dvc.reproduction import Times
from tasks.paths import metrics_path


class FinishedStage(BaseModel):
    """A stage that is up to date.

    Attributes:
        name: DVC's name of the stage.
        locked: its inputs, parameters and outputs.
        times: when the command ran it; None if its outputs were there, or DVC has brought them back.
        metrics: the stage's metrics; none if they are not in this folder.
        curve: rows of a training's curve.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    name: str
    locked: LockedStage
    times: Times | None = None
    metrics: dict[str, float] = {}
    curve: list[dict[str, str]] = []

    @property
    def key(self) -> str:
        """A digest that is equal for stages with equal inputs, parameters and outputs."""
        artifacts = [[item.path, item.md5] for item in (*self.locked.deps, *self.locked.outs)]
        return digest_of([self.name, artifacts, self.locked.params])


def read_stage(stage: str, locked: LockedStage, folder: Path, times: Times | None) -> FinishedStage:
    """Return a stage of dvc.lock, with this folder's files of it.

    Args:
        stage: DVC's name of the stage.
        locked: its inputs, parameters and outputs.
        folder: the checkout or worktree.
        times: when the command ran it, if it did.
    """
    path = metrics_path(stage)

    def read(path: Path) -> bytes:
        # The worktree of a sweep lacks those of stages that it did not need.
        return (folder / path).read_bytes() if (folder / path).is_file() else b""

    return FinishedStage(
        name=stage,
        locked=locked,
        times=times,
        metrics=json.loads(read(path) or b"{}"),
        curve=list(csv.DictReader(read(path.with_suffix(".curve.csv")).decode().splitlines())),
    )
