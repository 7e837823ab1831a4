"""Let one process at a time do something, with file locks that the system releases when the holder ends."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir

from filelock import FileLock, Timeout

from iterpref_core.records.errors import InputError
from tasks.paths import STATE


@contextmanager
def only_one(path: Path, on_busy: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock at `path`; a file next to it names the holder.

    Args:
        path: of the lock file; its folder is made.
        on_busy: called with the holder's process id if another process holds the lock. Raise there to give up; return
            to wait until it is free.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    holder = path.with_suffix(".pid")
    try:
        # Try once without waiting, so that the caller can report who holds the lock.
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


def locks_of_user() -> Path:
    """Return the folder of what this user's processes on this machine share: cards, and the ports of servers.

    Raises:
        InputError: another user has made the folder in /tmp, whose name anyone can guess.
    """
    user = os.getuid()
    folder = Path(gettempdir()) / f"iterpref-locks-{user}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if folder.lstat().st_uid != user:
        raise InputError(f"{folder}: belongs to another user; remove it, or set TMPDIR to another folder")
    return folder
