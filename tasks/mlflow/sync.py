"""Sync: snapshots of commands, written to MLflow. What MLflow does not take is set aside, and tried again later."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from iterpref_core.records.errors import InputError
from tasks.addresses import without_passwords
from tasks.mlflow.loadable import make_loadable
from tasks.mlflow.rows import open_command, upload_report, write_command, write_stage
from tasks.mlflow.server import (
    DeletedRunError,
    Server,
    TrackingError,
    database_path,
    is_in_checkout,
    log_defect,
    tracking_uri,
)
from tasks.mlflow.snapshot import Snapshot, set_aside_files, set_aside_folder

_PAUSE_S = 60.0
"""Seconds for which a server that did not answer is left alone."""
_LOCK_S = 120.0
"""Seconds to wait for another process that writes."""


class Sync:
    """A writer of snapshots. Nothing that goes wrong with MLflow costs more than a warning."""

    def __init__(self) -> None:
        self._away: dict[str, str] = {}
        self._away_until = 0.0
        self._told: set[str] = set()

    def write(self, snapshot: Snapshot, folder: Path | None = None) -> None:
        """Write what was set aside before, and then a snapshot.

        Args:
            snapshot: the state of a command.
            folder: the checkout or worktree with its report; None: the report is not there any more.
        """
        try:
            if _is_written(snapshot):
                return
            problems = self._away if time.monotonic() < self._away_until else self._write_all(snapshot, folder)
        except Timeout:
            problems = {"MLflow": "another process is writing to it"}
        except TrackingError as error:
            problems = self._away = {"MLflow": str(error)}
            self._away_until = time.monotonic() + _PAUSE_S
        except Exception as error:  # noqa: BLE001 - such as a disk that is full: it must not cost the work of hours
            log_defect(error)
            problems = {"MLflow": f"{type(error).__name__}: {error}"}
        try:
            if problems:
                snapshot.set_aside(problems)
        except OSError as error:
            problems["its record"] = str(error)
        for what, reason in problems.items():
            self.warn(f"{what}: {reason}")

    def warn(self, reason: str) -> None:
        """Say once why something is not in MLflow."""
        text = without_passwords(reason)
        if text not in self._told:
            print(f"warning: {text}; the next run writes what is missing", file=sys.stderr)
        self._told.add(text)

    def _write_all(self, snapshot: Snapshot, folder: Path | None) -> dict[str, str]:
        """Return the reasons why MLflow does not have all of a snapshot.

        Raises:
            TrackingError: the server cannot be used.
            Timeout: another process writes.
        """
        set_aside_folder().mkdir(parents=True, exist_ok=True)
        with FileLock(set_aside_folder() / ".lock").acquire(timeout=_LOCK_S):
            server = Server()
            for path in set_aside_files():
                self._write_set_aside(server, path)
            problems = _write_snapshot(server, snapshot, folder)
            if not problems:
                _written_path().write_text(_says(snapshot), encoding="ascii")
        if server.no_files:
            self.warn(f"MLflow gets no files: {server.no_files}")
        return problems

    def _write_set_aside(self, server: Server, path: Path) -> None:
        try:
            snapshot = Snapshot.read(path)
        except FileNotFoundError:
            return
        except InputError as error:
            self.warn(str(error))
            return
        if problems := _write_snapshot(server, snapshot, None):
            snapshot.set_aside(problems)
            for what, reason in problems.items():
                self.warn(f"{snapshot.command.name}: {what}: {reason}")
        else:
            path.unlink(missing_ok=True)


def _write_snapshot(server: Server, snapshot: Snapshot, folder: Path | None) -> dict[str, str]:
    """Write each part of a snapshot by itself, so that none stops the others; return why parts are not there.

    Raises:
        TrackingError: the server cannot be used.
    """
    problems: dict[str, str] = {}

    def attempt(what: str, write: Callable[..., str | None], *arguments: object) -> str | None:
        try:
            return write(server, *arguments)
        except DeletedRunError:
            return None  # the user does not want it
        except Exception as error:  # noqa: BLE001 - MLflow's, its store's, the file system's
            Server(create=False)  # where it is the server that is away, this says so, and all the rest waits
            log_defect(error)
            problems[what] = without_passwords(f"{type(error).__name__}: {error}".splitlines()[0][:500])
            return None

    parent = attempt("the run", open_command, snapshot.command, snapshot.started)
    if parent is None:
        return problems
    for name, execution in snapshot.executions.items():
        if execution.times is not None:
            attempt(name, write_stage, snapshot, execution, parent)
    attempt("the run", write_command, snapshot, parent)
    if folder is not None:
        attempt("the report", upload_report, snapshot, parent, folder)
        attempt("the models", make_loadable, snapshot, folder)
    return problems


def _is_written(snapshot: Snapshot) -> bool:
    """Return whether this was the last that MLflow got. A command with nothing to do is spared MLflow's import."""
    path = _written_path()
    if set_aside_files() or not path.is_file() or (is_in_checkout() and not database_path().is_file()):
        return False
    return path.read_text(encoding="ascii") == _says(snapshot)


def _says(snapshot: Snapshot) -> str:
    """Return a digest of what a snapshot says, without the time of the command, and of where it is written."""
    keys = {name: execution.key for name, execution in snapshot.executions.items()}
    place = [tracking_uri(), os.environ.get("MLFLOW_EXPERIMENT_NAME", "")]
    text = json.dumps([place, snapshot.command.key, snapshot.status, snapshot.error, keys], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _written_path() -> Path:
    return set_aside_folder() / "written"


_sync = Sync()


def write_snapshot(snapshot: Snapshot, folder: Path | None = None) -> None:
    """Write the state of a command to MLflow, as `Sync.write`."""
    _sync.write(snapshot, folder)
