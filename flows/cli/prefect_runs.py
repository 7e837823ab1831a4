"""Flow runs from the command line: the workspace made ready, and the flow run against a Prefect server."""

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import typer

from iterpref_core.errors import InputError
from tasks.orchestration.disk_space import full_disk
from tasks.orchestration.processes import end_leftovers
from tasks.orchestration.services import ServiceError, log_to_prefect, prefect_server
from tasks.orchestration.terminal import shown_lines


@contextmanager
def prepared_workspace(verb: str) -> Iterator[None]:
    """End what killed runs have left before anything runs, and end well what is cancelled or fills the disk.

    Args:
        verb: by which the user goes on after that.

    Raises:
        StorageError: the disk is full.
    """
    end_leftovers()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"cancelled; `{verb}` continues where this run stopped", err=True)
        raise typer.Exit(130) from None
    except InputError:
        raise
    except Exception:
        if (full := full_disk()) is not None:
            raise full from None
        raise


def run_in_prefect(
    load: Callable[[], Callable[..., Any]], parameters: Mapping[str, Any], lines: IO[str] | None = None
) -> tuple[Any, float]:
    """Run a flow, on a server of our own where none is set.

    Args:
        load: imports the flow, once Prefect's settings are there.
        parameters: of the flow.
        lines: where its progress goes; the terminal's output by default.

    Returns:
        What the flow returned, and how long it took, in seconds.
    """
    with _shown(lines or sys.stdout), prefect_server() as service:
        # A server of our own starts meanwhile.
        gc.disable()  # what is imported stays: it is not looked at for garbage, now or ever
        from httpx import HTTPError

        flow = load()
        from flows.stage_flow import drain_prefect

        gc.freeze()
        gc.enable()

        if service is not None:
            service.wait_healthy()
        started = time.monotonic()
        try:
            found = flow(**parameters)
        except HTTPError as error:
            raise _server_gone(error) from None
        finally:
            drain_prefect()
        return found, time.monotonic() - started


def _server_gone(error: Exception) -> ServiceError:
    """Stages do not need the server; but the flow's own end cannot be told to it."""
    url = os.environ["PREFECT_API_URL"]
    return ServiceError(f"the Prefect server at {url} does not answer ({error}); finished stages are kept: run again")


@contextmanager
def _shown(lines: IO[str]) -> Iterator[None]:
    """Our own lines to the terminal and to the Prefect server; Prefect's only to the server."""
    log_to_prefect()
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    logger = logging.getLogger("iterpref")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    with shown_lines(lines, logger):
        yield
