"""A process of a run in which the libraries of models are imported already, and which forks stages from itself.

Importing torch, transformers and trl takes a stage longer than all else that is not its work, and most stages need
them. So a run imports them once. A stage's process, as DVC starts it, asks for a fork that takes over its arguments,
environment, folder and output, and waits for it. Where there is none to be had the stage runs in its own process, as
under a bare `dvc repro`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tasks.common.paths import STATE
from tasks.orchestration import processes
from tasks.orchestration.warm_server import STARTED, WARM_VARIABLE


class WarmProcess:
    """Starts when it is first wanted; its libraries are imported when a stage first asks for a fork."""

    def __init__(self) -> None:
        # A folder that nobody else can enter: who reaches the socket has programs run as this user.
        self._folder = tempfile.TemporaryDirectory(prefix="iterpref-")
        self._child: subprocess.Popen[bytes] | None = None

    def offer(self, environment: dict[str, str]) -> dict[str, str]:
        """The environment of a stage, and where it can have a fork."""
        address = str(Path(self._folder.name) / "warm")
        if self._child is None:
            log = STATE / "logs" / "warm.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as output:
                command = [sys.executable, "-m", "tasks.orchestration.warm_server", address]
                self._child = processes.start(command, environment, output)
        return environment | {WARM_VARIABLE: address}

    def end(self) -> None:
        """End it, and the forks that are left."""
        if self._child is not None:
            processes.end(self._child)
        self._folder.cleanup()


def hand_over() -> None:
    """Let a fork run this process's module, and end as it does; returns where there is no fork to be had."""
    address, module = os.environ.get(WARM_VARIABLE), sys.modules["__main__"].__spec__
    if not address or module is None:
        return
    request = {"module": module.name, "argv": sys.argv, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        try:
            server.connect(address)
            socket.send_fds(
                server, [json.dumps(request | {"prefix": os.path.realpath(sys.prefix)}).encode()], [0, 1, 2]
            )
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
