"""Workspace lock: one process at a time; the file names its holder, and the kernel lets go when the holder dies."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def only_one(path: Path, on_busy: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock at `path`.

    Args:
        path: of the lock file; its folder is made.
        on_busy: called with the holder's process id if another process holds the lock. Raise there to give up; return
            to wait until it is free.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            on_busy(file.read() or "?")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
