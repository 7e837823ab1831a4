"""Fork server: a process with the libraries of models imported already, which forks stages from itself.

Importing torch, transformers and trl takes a stage longer than all else that is not its work, and most stages need
them. So they are imported once for all that runs in a folder. A stage's process, as DVC starts it, asks for a fork that
takes over its arguments, environment, folder and output, and waits for it. Where there is none to be had the stage runs
in its own process, as under a bare `dvc repro`. Stages that need none of these libraries do not ask
(`flows/__init__.py`).
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from tasks.common.paths import STATE
from tasks.orchestration import processes
from tasks.orchestration.fork_client import WARM_VARIABLE


class ForkServer:
    """Starts, and imports the libraries, when the first stage does.

    It serves one folder, from which its forks import what they run: the one in which it was first wanted. Leaving it
    ends the process, and the forks that are left.
    """

    def __init__(self) -> None:
        # A folder that nobody else can enter: who reaches the socket has programs run as this user.
        self._folder = tempfile.TemporaryDirectory(prefix="iterpref-")
        self._child: subprocess.Popen[bytes] | None = None

    def offer(self, environment: dict[str, str]) -> dict[str, str]:
        """The environment of a stage, and where it can have a fork."""
        address = str(Path(self._folder.name) / "socket")
        if self._child is None:
            log = STATE / "logs" / "fork-server.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as output:
                command = [sys.executable, "-m", "tasks.orchestration.fork_server_main", address]
                self._child = processes.start(command, environment, output, service=True)
        return environment | {WARM_VARIABLE: address}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            processes.end(self._child)
        self._folder.cleanup()
