"""Stage body: the one call of the core, with its metrics written and what it took.

All else in a stage's process is orchestration: starting, importing, talking to DVC, Prefect and MLflow.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

from pydantic import BaseModel

from iterpref_core.storage.jsonl import atomic_writer
from tasks.paths import BODIES, metrics_path

P = ParamSpec("P")
Metrics = dict[str, float]


class BodyRecord(BaseModel):
    """One execution of a stage's body, in seconds since the epoch."""

    stage: str
    started: float
    ended: float


def run_body(stage: str, entry: Callable[P, Metrics], *args: P.args, **kwargs: P.kwargs) -> Metrics:
    """Call a core entry point; write `metrics/<stage>.json` and the record of its time.

    Args:
        stage: DVC's name of the stage, such as `training@dpo`.
        entry: the core's entry point.
        args: its arguments.
        kwargs: its keyword arguments.

    Returns:
        The metrics the entry point returned.
    """
    started = time.time()
    metrics = entry(*args, **kwargs)
    ended = time.time()
    _write_json(metrics_path(stage), metrics)
    _write_json(BODIES / f"{stage}.json", {"stage": stage, "started": started, "ended": ended})
    return metrics


def read_body(stage: str) -> BodyRecord | None:
    """The record of the last execution of a stage's body, if there is one."""
    try:
        return BodyRecord.model_validate_json((BODIES / f"{stage}.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _write_json(path: Path, value: object) -> None:
    with atomic_writer(path) as file:
        json.dump(value, file, indent=2)
        file.write("\n")
