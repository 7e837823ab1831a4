"""Show the flow runs of a command on a Prefect server.

After `kill -9` no process is left to report the end of a run. The automation in docker/automations.yaml marks the run
as crashed when its heartbeats stop.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from iterpref_core.records import IterPrefError, read_yaml
from tasks.addresses import without_passwords
from tasks.local_server import ServerError
from tasks.paths import CHECKOUT
from tasks.prefect.server import problem_of, use_prefect

TAG = "iterpref"
"""The tag of all flow runs of this project. The automation selects them by it."""
AUTOMATIONS = CHECKOUT / "docker/automations.yaml"


@contextmanager
def prefect_session(server: str) -> Iterator[None]:
    """Show the flow runs of this process on a Prefect server, in a `with` block.

    Args:
        server: its address.

    Raises:
        ServerError: the server ended meanwhile.
    """
    use_prefect(server)
    from httpx import HTTPError
    from prefect import tags
    from prefect.exceptions import TerminationSignal

    try:
        with tags(TAG):
            yield
    except TerminationSignal:
        raise KeyboardInterrupt from None
    except IterPrefError:
        raise
    except Exception as error:
        # When its server ends, Prefect may raise an error of another library, such as `RuntimeError: no event loop`.
        if not isinstance(error, HTTPError) and not problem_of(server):
            raise
        raise ServerError(
            f"the Prefect server at {without_passwords(f'{server} does not answer ({error})')}; "
            "finished stages are kept: run again"
        ) from None
    finally:
        _drain_prefect()


def leave_out_tracebacks() -> None:
    """Log a user's mistake without a traceback. Its message names the remedy."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_shorten)


def create_automations() -> None:
    """Create the automations of this project on the current Prefect server, and remove older versions of them.

    An identical automation stays, even if it is paused. It has counted the heartbeats of the runs so far, and a new one
    would never notice that one of them was killed.
    """
    from prefect.client.orchestration import get_client
    from prefect.events.schemas.automations import AutomationCore

    with get_client(sync_client=True) as client:
        for content in read_yaml(AUTOMATIONS)["automations"]:
            automation = AutomationCore.model_validate(content)
            described = automation.model_dump(exclude={"enabled"})
            there = client.read_automations_by_name(automation.name)
            if any(found.model_dump(include={*described}) == described for found in there):
                continue
            for found in there:
                client.delete_automation(found.id)
            client.create_automation(automation)


def _shorten(record: logging.LogRecord) -> bool:
    """Remove the traceback from the log record of a user's mistake. Return True, so that every record is logged."""
    if record.exc_info and isinstance(record.exc_info[1], IterPrefError):
        record.exc_info = None
    return True


def _drain_prefect() -> None:
    """Send Prefect's queued logs and events, with a time limit. Without a server Prefect would wait forever at exit."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=10)
    EventsWorker.drain_all(timeout=10)
