"""Run a stage and write its metrics; under a plain `dvc repro`, also record it in MLflow."""

import os
import sys
import time
from collections.abc import Callable

from psutil import Process

from iterpref_core.records import Params
from iterpref_core.storage.cores import threads_in
from iterpref_core.storage.jsonl import write_text
from tasks.dvc.commands import COMMAND_VARIABLE, Times
from tasks.dvc.observation import StageInputs, check_unchanged
from tasks.dvc.storage import check_lock
from tasks.git.source import observe_source
from tasks.paths import TIMES
from tasks.stages import find_stage
from tasks.stages.stage import StageRecord, write_metrics

from .entry import begin_entry, read_stage
from .server import explain
from .sync import logged_command


def run_logged(begun: StageInputs, params: Params, work: Callable[[], StageRecord]) -> None:
    """Run a stage and write its metrics, if no file or parameter that it reads was edited meanwhile.

    Under a plain `dvc repro` the stage's process also writes to MLflow; otherwise the process of the command does. DVC
    has not locked the stage yet: its state is observed as DVC does.

    Args:
        begun: the stage before any of its code and parameters were read.
        params: the parameters that it runs with.
        work: returns its record.

    Raises:
        InputError: a file or a parameter was edited, or DVC cannot write dvc.lock.
    """
    stage = begun.name
    check_lock()
    if COMMAND_VARIABLE in os.environ:
        _run_timed(stage, work)
        check_unchanged(begun)
        return
    entry = begin_entry("dvc repro", params, observe_source(), process=_process_of_dvc())
    with logged_command(entry, stage):
        _run_timed(stage, work)
        locked = check_unchanged(begun, outs=True)
        entry.observe(observe_source())
        try:
            entry.stages[stage] = read_stage(stage, locked, Times(entry.started, time.time(), threads_in(os.environ)))
        except Exception as error:  # noqa: BLE001 - of any kind: an entry must not cost the work of hours
            print(f"warning: the entry of {stage} in MLflow will not be complete: {explain(error)}", file=sys.stderr)
    check_unchanged(begun)  # to write to MLflow takes seconds


def _run_timed(stage: str, work: Callable[[], StageRecord]) -> None:
    """Run a stage, and write its metrics and how long it took."""
    began = time.monotonic()
    found, item = find_stage(stage)
    write_metrics(found.metrics_path(item), work())
    write_text(TIMES / stage, f"{time.monotonic() - began:.1f}\n")


def _process_of_dvc() -> Process:
    """Return the process of `dvc repro`: the first one above this stage without the variable that DVC sets for stages.

    A stage that was started by hand is its own command.
    """
    process = Process()
    while "DVC_STAGE" in process.environ() and (above := process.parent()):
        process = above
    return process
