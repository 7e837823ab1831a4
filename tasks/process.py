"""Process: its identity, which tells it apart from a later process with the same number."""

import socket
from pathlib import Path
from typing import Self

import psutil
from pydantic import BaseModel


class ProcessIdentity(BaseModel, frozen=True):
    """A process of this machine or of another one.

    Attributes:
        host: name of the machine.
        pid: the process's number there, which is given again after the process has ended.
        start: a number that stays the same for the whole life of the process.
    """

    host: str
    pid: int
    start: float

    @classmethod
    def observe(cls, process: psutil.Process) -> Self:
        """Return the identity of a process of this machine.

        Raises:
            psutil.NoSuchProcess: the process has ended.
        """
        return cls(host=socket.gethostname(), pid=process.pid, start=_start_of(process))

    def is_gone(self) -> bool:
        """Return whether the process has ended; of another machine's process nobody here knows that."""
        if self.host != socket.gethostname():
            return False
        try:
            process = psutil.Process(self.pid)
            return _start_of(process) != self.start or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


def _start_of(process: psutil.Process) -> float:
    """Return a number that is the same whichever process asks, and whenever.

    The time of day will not do: Linux derives it from the clock, so each correction of the clock moves it. Two stages
    of one `dvc repro` would see two starts of DVC, and a running stage would pass for one that was killed.

    Returns:
        Clock ticks from the boot to the start, on Linux; seconds since the epoch elsewhere.

    Raises:
        psutil.NoSuchProcess: the process has ended.
    """
    path = Path(f"/proc/{process.pid}/stat")
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return process.create_time()
    # "4711 (a name) with spaces) S 1 …": field 2 is the name, and field 22 the start.
    after_name = text.rpartition(")")[2]
    return float(after_name.split()[19])
