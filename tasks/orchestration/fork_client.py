"""Fork client: before anything slow is imported, a stage's process asks the run's fork server to take it over.

It is imported whenever anything of `flows` is, so it imports nothing but the standard library.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

WARM_VARIABLE = "ITERPREF_WARM"
"""Names the socket at which forks are to be had."""
STARTED = b"started"
"""What a client is told whose fork runs; one that is told nothing gets none."""


def hand_over() -> None:
    """Let a fork run the module of `python -m`, and end as it does; returns where there is no fork to be had."""
    address = os.environ.get(WARM_VARIABLE)
    if not address:
        return
    request = {
        "module": sys.orig_argv[sys.orig_argv.index("-m") + 1],
        "arguments": sys.argv[1:],
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
        "prefix": os.path.realpath(sys.prefix),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        try:
            server.connect(address)
            socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
            if server.recv(len(STARTED)) != STARTED:
                return
        except OSError:
            return
        _end_like_fork(server)


def _end_like_fork(server: socket.socket) -> NoReturn:
    """Wait for the fork, which gets what signals this process gets."""

    def forward(number: int, _frame: FrameType | None) -> None:
        with suppress(OSError):
            server.send(bytes([number]))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    answer = server.recv(16)
    code = int(answer) if answer else -signal.SIGKILL  # without an answer the server was killed, and its forks with it
    sys.exit(code if code >= 0 else 128 - code)
