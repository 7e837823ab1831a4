"""Send the entries of commands to MLflow. An entry's file is removed once MLflow has all of it."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Thread

from filelock import FileLock

from iterpref_core.records import IterPrefError
from tasks.addresses import without_passwords

from .entry import CommandRecord, entries_folder, is_running, kept_entries, lock_of
from .rows import send
from .server import Server, TrackingError, explain

_LATER = "the next run sends what is kept"
_LOCK_S = 120.0
"""Seconds to wait for another process that writes."""


@contextmanager
def logged_command(entry: CommandRecord, stage: str = "") -> Iterator[CommandRecord]:
    """Write to MLflow that the command of this entry runs in the block, and then how it ended.

    Args:
        entry: the entry.
        stage: the stage that is all of the command, for the message of a failure.
    """
    lock = lock_of(entry.path)
    with suppress(OSError):  # a disk that is full must not cost the work
        entries_folder().mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    beginning = Thread(target=write_entry, args=(entry,))
    beginning.start()
    if stage:
        beginning.join()  # a stage starts processes by `fork`, which copies no other thread
    try:
        yield entry
        entry.status = "FINISHED"
    except BaseException as error:
        entry.status = "FAILED" if isinstance(error, Exception) else "KILLED"
        entry.error = ": ".join(filter(None, (stage, str(error) or type(error).__name__)))
        raise
    finally:
        beginning.join()  # it takes seconds to import MLflow, and this row must not be written after the next one
        write_entry(entry)
        lock.release()


def send_kept() -> None:
    """Send what earlier commands have left, if there is any."""
    if kept_entries():
        write_entry()


def write_entry(entry: CommandRecord | None = None) -> None:
    """Send an entry and all that are kept to MLflow, and keep what it does not take. Any failure is a warning."""
    # While it is sent, other threads may add stages.
    present = entry and entry.model_copy(update={"stages": dict(entry.stages), "ended": time.time()})
    try:
        entries_folder().mkdir(parents=True, exist_ok=True)
        if present:
            _keep(present)  # another process may send for minutes
        # One process at a time writes to MLflow.
        with FileLock(entries_folder() / ".lock", timeout=_LOCK_S):
            _send_all(present)
    except Exception as error:  # noqa: BLE001 - such as a disk that is full: it must not cost the work of hours
        reason = str(error) if isinstance(error, TrackingError) else f"MLflow: {explain(error)}"
        _warn(f"{reason}; {_LATER}")


def _send_all(present: CommandRecord | None) -> None:
    """Send the present command's entry and every kept one. If MLflow refuses one, the others are still sent.

    Raises:
        TrackingError: the server cannot be used.
    """
    paths = kept_entries()
    if present:
        _keep(present)  # the other process may have sent, and removed, an earlier state
        paths = [path for path in paths if path != present.path] + [present.path]
    server = Server()
    for path in paths:
        try:
            if present and path == present.path:
                entry = present
            elif is_running(path):
                continue  # its process sends it
            else:
                entry = CommandRecord.model_validate_json(path.read_bytes())
                if entry.status == "RUNNING":
                    entry.status, entry.error = "KILLED", "its process is gone"
            send(server, entry)
            if entry.status != "RUNNING":  # if it is killed, the next command learns it from the file
                path.unlink(missing_ok=True)
                path.with_suffix(".lock").unlink(missing_ok=True)
        except Exception as error:  # noqa: BLE001 - MLflow's, its store's, the file system's
            _warn(f"{path} is not in MLflow: {explain(error)}; {_LATER}")
            Server()  # raises if it has gone away: it is not asked for each further entry


def _keep(entry: CommandRecord) -> None:
    """Write an entry's file, if the disk is not full: MLflow may be on another one."""
    try:
        entry.keep()
    except (IterPrefError, OSError) as error:
        _warn(f"{entry.path} is not written: {explain(error)}")


@cache  # a refused entry is tried again after each stage, and reported once
def _warn(reason: str) -> None:
    print(f"warning: {without_passwords(reason)}", file=sys.stderr)
