"""Start child processes that end with their parent, and end a child together with its whole process group."""

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

GRACE_S = 4.0
"""Seconds between SIGTERM and SIGKILL."""

_POLL_S = 0.5
_PR_SET_PDEATHSIG = 1


def start(
    command: Sequence[str],
    environment: Mapping[str, str],
    output: IO[bytes] | int = subprocess.PIPE,
    folder: Path = Path(),
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own; on Linux it gets SIGTERM when the calling thread ends, however that is.

    Args:
        command: program and arguments.
        environment: the child's whole environment.
        output: where its stdout and stderr go.
        folder: the child's working directory.
    """
    # Start this file first: it asks the system for the signal, and then becomes the command.
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), str(os.getpid()), *command],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def read_lines(child: subprocess.Popen[bytes]) -> Iterator[str]:
    """Yield the lines of a child's output until the child ends.

    A grandchild may hold the output open for longer, so the end of the file is not waited for. A line that was drawn
    over, such as a progress bar, comes in its last state.
    """
    assert child.stdout is not None, "started with a pipe"
    rest = b""
    while True:
        # Asked before the pipe is: what a child wrote before its end is then surely in the pipe.
        ended = child.poll() is not None
        if not select.select([child.stdout], [], [], 0 if ended else _POLL_S)[0]:
            if ended:
                break
            continue
        if not (read := os.read(child.stdout.fileno(), 1 << 16)):
            break
        # The last part has no line end yet; the next read completes it.
        *lines, rest = (rest + read).split(b"\n")
        yield from filter(None, map(_last_state, lines))
    yield from filter(None, [_last_state(rest)])


def _last_state(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").rstrip().rpartition("\r")[2]


def end(child: subprocess.Popen[bytes]) -> None:
    """End a child and the rest of its group, also if the child has ended itself. Its output stays open for a reader."""
    # Ask the group to end, and kill what is left of it after the grace period.
    _signal(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    _signal(child, signal.SIGKILL)
    child.wait()


def die_with(parent: int) -> None:
    """Have this process get SIGTERM when its parent, whose process id this must be, ends. Linux alone knows how."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it has ended already
            sys.exit(128 + signal.SIGTERM)


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS raises PermissionError for a group of zombies
        os.killpg(child.pid, number)


if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
