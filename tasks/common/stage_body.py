"""Stage body: the one call of the core, with its metrics written and its time taken.

Everything a stage's process does outside of this call is orchestration: starting, importing, talking to DVC,
Prefect and MLflow. `benchmarks/pipeline.py` compares the two.
"""

import gc
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

from pydantic import BaseModel

from iterpref_core.errors import InputError
from iterpref_core.storage.jsonl import atomic_writer
from tasks.common.paths import BODIES, metrics_path


def peak_mb() -> float:
    """Peak resident memory of this process, MiB; `ru_maxrss` would count what its parent held before it was started."""
    status = Path("/proc/self/status")
    if not status.is_file():  # no Linux: what it holds now
        import psutil

        return float(psutil.Process().memory_info().rss) / 2**20
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))
    assert found, "Linux states the peak of every process"
    return int(found[1]) / 1024


def cpu_s() -> float:
    """CPU seconds of this process and of those of its children that have ended and were waited for."""
    return sum(os.times()[:4])


P = ParamSpec("P")
Metrics = dict[str, float]


class BodyRecord(BaseModel):
    """One execution of a stage's body: seconds since the epoch, peak resident memory of the process in MiB.

    `cpu_s` is the CPU time of the process and of the children that it waited for, in seconds.
    """

    stage: str
    started: float
    ended: float
    peak_mb: float
    pid: int
    cpu_s: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the body took."""
        return self.ended - self.started


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
    gc.freeze()  # what was imported stays: to look at it again and again would take seconds
    gc.enable()
    started, before = time.time(), cpu_s()
    metrics = entry(*args, **kwargs)
    ended, after = time.time(), cpu_s()
    _write_json(metrics_path(stage), metrics)
    record = BodyRecord(
        stage=stage, started=started, ended=ended, peak_mb=peak_mb(), pid=os.getpid(), cpu_s=after - before
    )
    _write_json(BODIES / f"{stage}.json", record.model_dump())
    return metrics


def read_body(stage: str) -> BodyRecord | None:
    """The record of the last execution of a stage's body, if there is one."""
    try:
        return BodyRecord.model_validate_json((BODIES / f"{stage}.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def read_metrics(stage: str) -> Metrics:
    """The metrics of a stage that has run.

    Raises:
        InputError: the stage has not run here.
    """
    path = metrics_path(stage)
    try:
        values: Metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `iterpref run {stage}` first") from None
    return values


def _write_json(path: Path, value: object) -> None:
    with atomic_writer(path) as file:
        json.dump(value, file, indent=2)
        file.write("\n")
