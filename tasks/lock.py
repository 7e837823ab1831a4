"""Lock: one process at a time; a file beside it names the holder. The system lets go when the holder dies."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from iterpref_core.records.errors import InputError
from tasks.paths import STATE


@contextmanager
def only_one(path: Path, on_busy: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock at `path`.

    Args:
        path: of the lock file; its folder is made.
        on_busy: called with the holder's process id if another process holds the lock. Raise there to give up; return
            to wait until it is free.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    holder = path.with_suffix(".pid")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        on_busy(holder.read_text(encoding="ascii") if holder.is_file() else "?")
        lock.acquire()
    try:
        holder.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        lock.release()


@contextmanager
def only_run() -> Iterator[None]:
    """Hold the present folder's lock of runs: two of them would fight over its files.

    Raises:
        InputError: another process holds it.
    """

    def refuse(holder: str) -> None:
        raise InputError(f"process {holder} already runs the experiment here; wait for it or end it")

    with only_one(STATE / "run.lock", refuse):
        yield
