"""Sync: entries of commands on their way to MLflow. Each has its file, which goes when MLflow has all of it."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from filelock import FileLock, Timeout

from tasks.addresses import without_passwords
from tasks.mlflow.entry import Entry, entries_folder, kept_entries
from tasks.mlflow.rows import send
from tasks.mlflow.server import Server, TrackingError, explain, tracking_uri

_PAUSE_S = 60.0
"""Seconds for which a server that did not answer is left alone."""
_LATER = "the next run sends what is kept"
_LOCK_S = 120.0
"""Seconds to wait for another process that writes."""

_away_until: dict[str, float] = {}
"""Address of a server that did not answer → until when, in time.monotonic(), it is left alone."""


@contextmanager
def logged_command(entry: Entry, stage: str = "") -> Iterator[Entry]:
    """Write to MLflow how the block ends, in which the command of this entry runs.

    Args:
        entry: the entry.
        stage: the stage that is all of the command, for the message of a failure.
    """
    try:
        yield entry
    except BaseException as error:
        if isinstance(error, Exception):
            entry.status = "FAILED"
            reason = str(error) or type(error).__name__
        else:
            entry.status = "KILLED"
            reason = "it was told to end"
        entry.error = f"{stage}: {reason}" if stage else reason
        write_entry(entry)
        raise
    entry.status = "FINISHED"
    write_entry(entry)


def write_entry(entry: Entry | None) -> None:
    """Keep an entry, and send all that is kept to MLflow. Any failure of that is a warning.

    Args:
        entry: the state of a command; None: only what earlier commands have left is sent.
    """
    if entry is None and not kept_entries():
        return
    try:
        entries_folder().mkdir(parents=True, exist_ok=True)
        # While it is sent, other threads may add stages.
        own = entry and entry.model_copy(update={"stages": dict(entry.stages), "ended": time.time()})
        try:
            # One process at a time writes to MLflow.
            with FileLock(entries_folder() / ".lock", timeout=_LOCK_S):
                if own:
                    own.keep()
                _send_all(own)
        except Timeout:
            if own:
                own.keep()  # another process has been sending for minutes: a later one sends this entry
    except Exception as error:  # noqa: BLE001 - such as a disk that is full: it must not cost the work of hours
        reason = str(error) if isinstance(error, TrackingError) else f"MLflow: {explain(error)}"
        _warn(f"{reason}; {_LATER}")


def _send_all(own: Entry | None) -> None:
    """Send every entry that is kept, among them the present command's own. One that MLflow refuses stops no other.

    Raises:
        TrackingError: the server cannot be used.
    """
    uri = tracking_uri()
    if time.monotonic() < _away_until.get(uri, 0.0):
        return
    try:
        server = Server()
        for path in kept_entries():
            try:
                send(server, own if own and path == own.path else Entry.read(path))
            except Exception as error:  # noqa: BLE001 - MLflow's, its store's, the file system's
                Server(create=False)  # where it is the server that is away, this says so, and all the rest waits
                _warn(f"{path} is not in MLflow: {explain(error)}; {_LATER}")
            else:
                path.unlink()
    except TrackingError:
        _away_until[uri] = time.monotonic() + _PAUSE_S
        raise
    if server.no_files:
        _warn(f"MLflow gets no files: {server.no_files}")


@cache  # an entry that is refused is tried again after each stage, and told once
def _warn(reason: str) -> None:
    print(f"warning: {without_passwords(reason)}", file=sys.stderr)
