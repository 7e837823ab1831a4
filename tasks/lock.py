"""Let one process at a time do something, with file locks that the system releases when the holder ends."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir

from filelock import FileLock, Timeout

from iterpref_core.records import InputError

from .paths import STATE


@contextmanager
def only_one(path: Path, does: str, say: Callable[[str], object] | None = None) -> Iterator[None]:
    """Hold the lock at `path`; a file next to it names the holder. Both files are gone afterwards.

    Args:
        path: of the lock file; its folder is made.
        does: what a holder does, for a message such as "process 4711 already runs the experiment here".
        say: if another process holds the lock, gets that message before the wait; None: do not wait.

    Raises:
        InputError: another process holds the lock, and the caller does not wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    holder = path.with_suffix(".pid")
    try:
        # Try once without waiting, so that the caller can report who holds the lock.
        lock.acquire(blocking=False)
    except Timeout:
        number = "?"
        with suppress(FileNotFoundError):
            number = holder.read_text(encoding="ascii")
        busy = f"process {number} {does}"
        if say is None:
            raise InputError(f"{busy}; wait for it or end it") from None
        say(f"{busy}; waiting for it")
        lock.acquire()
    try:
        holder.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        holder.unlink(missing_ok=True)
        # While it is held: a process that waits takes the lock of a file alone that is still there.
        path.unlink(missing_ok=True)
        lock.release()


def only_run() -> AbstractContextManager[None]:
    """Hold the present folder's lock of runs: two of them would fight over its files.

    Raises:
        InputError: another process holds it.
    """
    return only_one(STATE / "run.lock", "already runs the experiment here")


def locks_of_user() -> Path:
    """Return the folder of what this user's processes on this machine share: cards, and the ports of servers.

    Another user may have made the folder in /tmp, whose name anyone can guess.
    """
    user = os.getuid()
    folder = Path(gettempdir()) / f"iterpref-locks-{user}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if folder.lstat().st_uid != user:
        folder = Path.home() / ".cache/iterpref-locks"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
