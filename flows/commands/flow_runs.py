"""What the verbs that run a flow share: the workspace made ready, and the flow run against a Prefect server."""

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
from tasks.orchestration.mending import mend_dvc
from tasks.orchestration.processes import end_leftovers
from tasks.orchestration.run import full_disk
from tasks.orchestration.services import log_to_prefect, prefect_server


@contextmanager
def mended_workspace(verb: str) -> Iterator[None]:
    """Mend what killed runs have left before anything runs, and end well what is cancelled or fills the disk.

    Args:
        verb: by which the user goes on after that.

    Raises:
        StorageError: the disk is full.
    """
    for mended in mend_dvc():
        typer.echo(f"warning: {mended}", err=True)
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
    _log_to(lines or sys.stdout)
    with prefect_server() as service:
        # A server of our own starts meanwhile.
        flow = load()
        from flows.stage import drain_prefect

        if service is not None:
            service.wait_healthy()
        started = time.monotonic()
        try:
            found = flow(**parameters)
        finally:
            drain_prefect()
        return found, time.monotonic() - started


def _log_to(lines: IO[str]) -> None:
    """Our own lines to the terminal and to the Prefect server; Prefect's only to the server."""
    log_to_prefect()
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("iterpref")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
