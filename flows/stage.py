"""How every stage's process runs: `python -m flows.<stage>`.

If a Prefect server answers, the stage runs as a flow; otherwise as the plain function. Bad input ends it with exit
code 2 and one message, whichever way it runs.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from copy import copy
from functools import partial, update_wrapper
from types import FrameType
from typing import NoReturn
from uuid import UUID, uuid4

from httpx import HTTPError
from prefect import Flow, Task, get_client
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, get_current_settings, temporary_settings

from iterpref_core.config import load_params
from iterpref_core.errors import EndpointError, InputError, IterPrefError, storage_error
from iterpref_core.progress import watched_progress
from tasks.common.paths import STATE
from tasks.orchestration.environment import LABEL_VARIABLE, PARENT_VARIABLE, USAGE_EXIT, set_up_libraries
from tasks.orchestration.locks import only_one
from tasks.orchestration.mending import check_inputs
from tasks.orchestration.run import full_disk
from tasks.orchestration.services import answers
from tasks.recording.graph import load_graph
from tasks.recording.journal import open_journal


def run_stage(flow: Flow[..., dict[str, float]], stage: str, **parameters: str) -> NoReturn:
    """Run one stage's flow and exit with its code.

    Args:
        flow: the stage's flow.
        stage: DVC's name of the stage.
        parameters: the flow's parameters.
    """
    set_up_libraries()
    signal.signal(signal.SIGTERM, _raise_exit)
    try:
        code, message = _run_alone(flow, stage, parameters)
    except OSError as error:
        if (found := storage_error(error)) is None:
            raise
        code, message = USAGE_EXIT, str(found)  # not even the lock or the journal can be written
    if message:
        print(f"error: {message}", file=sys.stderr, flush=True)
    sys.exit(code)


def _run_alone(flow: Flow[..., dict[str, float]], stage: str, parameters: dict[str, str]) -> tuple[int, str]:
    """Run the flow while no other process runs the stage; returns the exit code and the message for the user."""
    with only_one(STATE / "locks" / f"{stage}.lock", partial(_say_waiting, stage)):
        journal = open_journal(stage)
        with watched_progress(journal.progress):
            code, message, lasting = _execute(flow, stage, parameters)
        with suppress(OSError) if code else nullcontext():  # on a full disk, what was first in the way is told
            journal.close(code, message, lasting=lasting)
        if PARENT_VARIABLE not in os.environ and code <= 1:
            _publish(stage, "FAILED" if code else "FINISHED")
    return code, message


def _say_waiting(stage: str, holder: str) -> None:
    """The process may be left from a killed run, and what it writes is good."""
    print(f"{stage}: process {holder} is still running this stage; waiting for it", flush=True)


def _execute(flow: Flow[..., dict[str, float]], stage: str, parameters: dict[str, str]) -> tuple[int, str, bool]:
    """Run the flow; returns the exit code, the message for the user, if there is one, and whether the error would last.

    Errors that are not raised on purpose keep their traceback.
    """
    try:
        load_params()
        if PARENT_VARIABLE not in os.environ:  # the orchestrator has seen to it
            check_inputs(load_graph()[stage].inputs)
        if _server_answers():
            _run_shown(flow, stage, parameters)
        else:
            flow.fn(**parameters)
    except IterPrefError as error:
        lasting = not isinstance(error, EndpointError)
        return USAGE_EXIT if isinstance(error, InputError) else 1, str(error), lasting
    except KeyboardInterrupt:
        return 130, f"{stage}: interrupted; run again to continue", True
    except SystemExit as error:
        return int(error.code or 0), "", True
    except Exception as error:  # The process ends here: a defect is shown whole, and the journal gets the exit code.
        if (found := storage_error(error) or full_disk()) is not None:
            return USAGE_EXIT, str(found), True
        logging.getLogger(__name__).exception("%s failed", stage)
        return 1, "", True
    return 0, "", True


def _server_answers() -> bool:
    """Whether Prefect's API address is set, and healthy."""
    url = get_current_settings().api.url
    return bool(url) and answers(f"{url}/health")


class _Body:
    """A flow's function, and how it ended: Prefect, whose server may be gone by then, cannot always tell."""

    def __init__(self, function: Callable[..., dict[str, float]]) -> None:
        update_wrapper(self, function)
        self._function = function
        self.finished = False
        self.error: Exception | None = None

    def __call__(self, **parameters: str) -> dict[str, float]:
        try:
            metrics = self._function(**parameters)
        except Exception as error:
            self.error = error
            raise
        self.finished = True
        return metrics


def _run_shown(flow: Flow[..., dict[str, float]], stage: str, parameters: dict[str, str]) -> None:
    """Run the stage as a flow. A server that goes away costs what it would have shown, and nothing else."""
    body = _Body(flow.fn)
    watched = copy(flow)
    watched.fn = body
    try:
        _run_as_flow(watched, stage, parameters)
    except HTTPError as error:
        if body.error is not None:
            raise body.error from None
        print(f"warning: {stage} is not shown in Prefect, whose server does not answer: {error}", file=sys.stderr)
        if not body.finished:
            flow.fn(**parameters)


def _run_as_flow(flow: Flow[..., dict[str, float]], stage: str, parameters: dict[str, str]) -> None:
    log_messages_only()
    parent = os.environ.get(PARENT_VARIABLE)
    name = os.environ.get(LABEL_VARIABLE, "") + stage
    with get_client(sync_client=True) as client:
        task_run_id = None
        if parent:
            # A flow run of another process shows as a subflow through a task run that stands for it.
            stand_in = Task(flow.fn, name=flow.name)
            task_run_id = client.create_task_run(stand_in, UUID(parent), uuid4().hex, name=name).id
        flow_run = client.create_flow_run(flow, name=name, parameters=parameters, parent_task_run_id=task_run_id)
    # Ending the thread that sends heartbeats takes a second; whoever started this process sees whether it lives.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        run_flow(flow, flow_run=flow_run, parameters=parameters)


def log_messages_only() -> None:
    """Let Prefect log an error that was raised on purpose without its traceback, and not that it is still sending."""
    logging.getLogger("EventsWorker").setLevel(logging.ERROR)
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_message_only)


def _message_only(record: logging.LogRecord) -> bool:
    """Log an error that is the user's to correct as its message: one raised on purpose, or by a full disk."""
    error = record.exc_info[1] if record.exc_info else None
    known = error if error is None or isinstance(error, IterPrefError) else storage_error(error)
    if known is not None:
        record.msg, record.args, record.exc_info = str(known), (), None
    return True


def _publish(stage: str, status: str) -> None:
    """Record the stage in MLflow. A tracking server that is away must not cost the work of a stage."""
    from mlflow.exceptions import MlflowException

    from tasks.recording.tracking import publish

    # It logs the error that it raises, with a traceback. A level would not last: MLflow resets it when it starts.
    logging.getLogger("mlflow.store.db.utils").addFilter(lambda _: False)
    try:
        publish(load_graph()[stage], load_params(), status)
    except (MlflowException, OSError) as error:
        print(f"warning: {stage} is not recorded in MLflow: {storage_error(error) or error}", file=sys.stderr)


def _raise_exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def drain_prefect() -> None:
    """Send what Prefect still has queued, so that a server can be stopped without losing it."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=10)
    EventsWorker.drain_all(timeout=10)
