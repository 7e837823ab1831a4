"""Prefect task that reproduces one DVC stage in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from mlflow.exceptions import MlflowException
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed

from iterpref_core.errors import InputError, IterPrefError, StorageError, storage_errno
from tasks.common.stage_body import read_body
from tasks.orchestration import processes
from tasks.orchestration.child_output import ChildOutput, log
from tasks.orchestration.experiment_run import ExperimentRun, StageCost
from tasks.orchestration.prefect_artifacts import ProgressArtifacts
from tasks.orchestration.stage_environment import USAGE_EXIT
from tasks.orchestration.terminal import running
from tasks.recording.dvc_graph import Stage
from tasks.recording.stage_journal import Event, forget_journal, journal_path, read_events
from tasks.recording.tracking import StageRun

_POLL_S = 1.0
_PAUSES_S = (30.0, 120.0)
"""Before a stage is tried again whose endpoint could not be reached, after all the attempts of every call."""


class StageError(IterPrefError):
    """A stage failed for a reason other than its input."""


class UnreachableError(StageError):
    """A stage could not reach a server, and may when it runs again."""


def _may_succeed_later(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Whether a retry can help: what does not depend on the network would fail again."""
    return isinstance(state.result(raise_on_failure=False), UnreachableError)


@task(
    name="stage",
    task_run_name="{run.naming.label}{stage.name}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=len(_PAUSES_S),
    retry_delay_seconds=list(_PAUSES_S),
    retry_condition_fn=_may_succeed_later,
)
def reproduce(stage: Stage, run: ExperimentRun) -> State[Any] | None:
    """Bring one stage up to date with `dvc repro --single-item`; its upstream stages are up to date already.

    Returns:
        `Completed(name="Cached")` if DVC had nothing to run, so that Prefect shows which stages were skipped.

    Raises:
        InputError: the stage refused its input or its parameters.
        UnreachableError: the stage could not reach a server; Prefect tries it again.
        StageError: the stage failed otherwise; the message ends with its last lines.
        CancelledError: the run was cancelled before the stage started.
    """
    with run.slots.take(stage.name) as cores, running(stage.name):
        forget_journal(stage.name)
        log.info("%-19s …", stage.name)
        started = time.monotonic()
        event = _run_dvc(stage, run, cores) if run.needs_dvc(stage) else None
        wall_s = time.monotonic() - started
        if event is None:
            _record_cached(stage, run)
            run.add(StageCost(stage=stage.name, cached=True, wall_s=wall_s))
            log.info("%-19s unchanged", stage.name)
            return Completed(name="Cached", message="DVC had nothing to run")
        body = read_body(stage.name)
        assert body is not None, "a stage that finished has recorded its body"
        used = {"body_s": body.seconds, "cpu_s": body.cpu_s, "peak_mb": body.peak_mb}
        run.add(StageCost(stage=stage.name, cached=False, wall_s=wall_s, **used))
        log.info("%-19s done in %.0f s", stage.name, wall_s)
    return None


def _run_dvc(stage: Stage, run: ExperimentRun, cores: int) -> Event | None:
    """Run DVC to its end, following the stage's journal; returns the stage's last event, None if it did not run."""
    # The global flag stands before the command: DVC knows it nowhere else.
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--quiet", "--single-item", stage.name]
    command += ["--force"] if stage.name in run.forced else []
    child = processes.start(command, run.stage_environment(_flow_run_id(), cores))
    output = ChildOutput(stage.name, child, run.warned)
    output.start()
    try:
        record = _follow(stage, run, child)
        output.join()
    finally:
        processes.end(child)
    last = _last_event(stage.name)
    if record is not None:
        with tolerate_mlflow(stage.name):
            record.follow()
            record.finish((last and last.status) or "KILLED")
    if child.returncode or (last is not None and last.status != "FINISHED"):
        raise _failure(stage.name, last, child.returncode, output.tail())
    return last


def _follow(stage: Stage, run: ExperimentRun, child: subprocess.Popen[bytes]) -> StageRun | None:
    """Log to MLflow what the stage writes while it runs; returns its run, None if the stage never started."""
    record: StageRun | None = None
    progress = ProgressArtifacts(stage.name)
    while True:
        with suppress(subprocess.TimeoutExpired):
            child.wait(_POLL_S)
        progress.follow()
        with tolerate_mlflow(stage.name):
            if record is None and journal_path(stage.name).exists():
                record = run.record(stage)
            if record is not None:
                record.follow()
        if child.returncode is not None:
            return record


def _record_cached(stage: Stage, run: ExperimentRun) -> None:
    with tolerate_mlflow(stage.name):
        run.record(stage, cached=True).finish("FINISHED")


def _flow_run_id() -> UUID:
    context = FlowRunContext.get()
    assert context is not None, "stages are reproduced inside the experiment's flow"
    assert context.flow_run is not None
    return context.flow_run.id


def _last_event(stage: str) -> Event | None:
    events = [event for event, _ in read_events(stage)]
    return events[-1] if events else None


def _failure(stage: str, last: Event | None, returncode: int, tail: str) -> IterPrefError:
    """What went wrong, for the user: the stage's own message, or else its last lines."""
    if last is not None and last.exit_code == USAGE_EXIT:
        return InputError(f"stage {stage}: {last.error}")
    for line in tail.splitlines():  # DVC's own, or of a stage that could not even write its journal
        if storage_errno(line):
            return StorageError(f"stage {stage}: {line.removeprefix('error: ')}")
    if last is not None and not last.lasting:
        return UnreachableError(f"stage {stage}: {last.error}")
    if last is not None and last.error:
        return StageError(f"stage {stage}: {last.error}")
    return StageError(f"stage {stage} failed (dvc ended with {returncode}); its last lines:\n{tail}")


@contextmanager
def tolerate_mlflow(stage: str) -> Iterator[None]:
    """Warn instead of failing: a tracking server that is away must not cost the work of a stage."""
    try:
        yield
    except (MlflowException, OSError) as error:
        log.warning("%-19s is not recorded in MLflow: %s", stage, error)
