"""Stage flow: a stage as a flow of a Prefect server, and what Prefect logs of it."""

import logging
import os
import sys
from collections.abc import Callable
from functools import update_wrapper
from uuid import UUID, uuid4

from httpx import HTTPError
from prefect import Flow, Task, get_client
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from iterpref_core.errors import IterPrefError, storage_error
from tasks.orchestration.stage_environment import LABEL_VARIABLE, PARENT_VARIABLE


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


def run_shown(function: Callable[..., dict[str, float]], stage: str, parameters: dict[str, str]) -> None:
    """Run the stage as a flow. A server that goes away costs what it would have shown, and nothing else."""
    body = _Body(function)
    try:
        _run_as_flow(function, body, stage, parameters)
    except HTTPError as error:
        if body.error is not None:
            raise body.error from None
        print(f"warning: {stage} is not shown in Prefect, whose server does not answer: {error}", file=sys.stderr)
        if not body.finished:
            function(**parameters)


def _run_as_flow(
    function: Callable[..., dict[str, float]], body: _Body, stage: str, parameters: dict[str, str]
) -> None:
    log_messages_only()
    flow = Flow(function, name=stage.partition("@")[0])
    flow.fn = body
    parent = os.environ.get(PARENT_VARIABLE)
    name = os.environ.get(LABEL_VARIABLE, "") + stage
    with get_client(sync_client=True) as client:
        task_run_id = None
        if parent:
            # A flow run of another process shows as a subflow through a task run that stands for it.
            stand_in = Task(function, name=flow.name)
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


def drain_prefect() -> None:
    """Send what Prefect still has queued, so that a server can be stopped without losing it."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=10)
    EventsWorker.drain_all(timeout=10)
