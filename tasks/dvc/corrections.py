"""Correct what a kill does to files of DVC, and what DVC takes for unharmed.

DVC writes dvc.lock and its list of locks in place: a kill leaves them cut, and a cut dvc.lock may only seem to have
fewer stages. DVC takes any later process with a killed one's number for that one. And it trusts each file in its cache
that is read-only, whatever its bytes.
"""

import logging
import sys
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
from dvc import rwlock
from dvc.stage.cache import StageCache
from dvc_data.hashfile import check
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.db.local import LocalHashFileDB
from dvc_objects.errors import ObjectFormatError
from dvc_objects.fs.local import FsspecLocalFileSystem

from iterpref_core.storage.jsonl import atomic_writer
from tasks.paths import LOCK

_LOCKS = ContextVar[Path]("the list of locks that DVC looks at")
_make_stage = StageCache._create_stage  # noqa: SLF001
_check_blockers = rwlock._check_blockers  # noqa: SLF001


class _ReadCache(LocalHashFileDB):
    """DVC's cache, but each check reads the file: neither its mode nor an earlier digest counts."""

    check = HashFileDB.check


@cache
def correct_dvc() -> None:
    """Let DVC in this process write its files whole, and restore no result of a stage that was damaged."""
    FsspecLocalFileSystem.open = _open  # type: ignore[assignment]
    StageCache._create_stage = _make_unharmed  # noqa: SLF001
    rwlock._check_blockers = _check_locks  # noqa: SLF001
    rwlock.psutil = SimpleNamespace(pid_exists=_may_hold_lock)
    logging.getLogger("dvc.rwlock").addFilter(_shorten)


def remove_damaged(stages: Iterable[Any]) -> None:
    """Remove damaged files of DVC's cache from which outputs of these stages would be restored."""
    for out in (out for stage in stages for out in stage.outs if out.use_cache and out.workspace_status()):
        found = out.get_obj()
        try:
            with suppress(FileNotFoundError):
                if found:
                    check(_ReadCache(out.cache.fs, out.cache.path), found)
        except ObjectFormatError:
            print(f"warning: {out} is damaged in DVC's cache, and removed there", file=sys.stderr, flush=True)


def _open(_: Any, path: str, mode: str = "r", encoding: str | None = None, **_options: Any) -> Any:
    """Open a file for DVC, which uses each of those that are written whole in a `with` block."""
    if "w" in mode and Path(path).name in (LOCK.name, rwlock.RWLOCK_FILE):
        return atomic_writer(path)
    return Path(path).open(mode, encoding=encoding)


def _make_unharmed(*arguments: Any, **options: Any) -> Any:
    """Make the stage whose outputs DVC restores as those of an earlier run."""
    stage = _make_stage(*arguments, **options)
    remove_damaged([stage])
    return stage


def _check_locks(folder: str, *arguments: Any, **options: Any) -> None:
    """Look for other processes in the list of locks of a repository, which need not be the present folder's."""
    _LOCKS.set(Path(folder, rwlock.RWLOCK_FILE))
    _check_blockers(folder, *arguments, **options)


def _may_hold_lock(process: int) -> bool:
    """Return whether the process with this number runs, and did when the list of locks was written."""
    with suppress(psutil.NoSuchProcess):
        found = psutil.Process(process)
        return found.status() != psutil.STATUS_ZOMBIE and _is_older(found, _LOCKS.get())
    return False


@cache  # this process writes the list soon
def _is_older(process: psutil.Process, locks: Path) -> bool:
    return process.create_time() <= locks.stat().st_mtime


def _shorten(record: Any) -> bool:
    """Leave out DVC's long line on each path that a killed process had locked: one of our own says it."""
    _tell_killed(record.args[1])
    return False


@cache
def _tell_killed(process: int) -> None:
    print(f"warning: a command of DVC was killed (process {process}); its locks are removed", file=sys.stderr)
