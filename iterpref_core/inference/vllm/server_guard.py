"""Server guard: runs a server, and ends it with all that it started, on SIGTERM or as soon as its client is gone.

A script of its own, on the standard library alone: `python server_guard.py CLIENT_PID COMMAND...`. A client that is
killed with SIGKILL can end nothing itself, and a parent-death signal would end the server without its workers, and end
it too early where the thread that started it ends.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

GRACE_S = 10.0
"""Between SIGTERM and SIGKILL, and the longest wait after that."""
SIGNALLED = 128
"""Added to the number of the signal that ended the server, as shells do."""

_POLL_S = 0.2
_PR_SET_CHILD_SUBREAPER = 36


def guard(client: int, command: list[str]) -> int:
    """Run the command until it ends, this process is told to end, or the client is gone; returns its exit status."""
    # A worker whose own parent has died becomes a child of this process, so that it can be waited for.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: told.append(number))
    server = subprocess.Popen(command, process_group=0)
    while server.poll() is None and not told and os.getppid() == client:
        time.sleep(_POLL_S)
    status = server.returncode
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _end(server.pid, number):
            break
    return 0 if status is None else status if status >= 0 else SIGNALLED - status


def _end(group: int, number: int) -> bool:
    """Send a signal to the group; whether any child is left after `GRACE_S`."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(_POLL_S)
        except ChildProcessError:
            return False
    return True


if __name__ == "__main__":
    sys.exit(guard(int(sys.argv[1]), sys.argv[2:]))
