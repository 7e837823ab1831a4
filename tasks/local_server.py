"""Run a server on loopback in a child process for the duration of a `with` block."""

import os
import re
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkstemp
from urllib.parse import urlsplit

from filelock import FileLock

from iterpref_core.records import IterPrefError
from tasks import subprocesses

from .addresses import without_passwords
from .lock import locks_of_user
from .paths import STATE, home

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 180.0
"""Seconds until a server counts as dead. A first start migrates the database: 10 s on a quiet machine."""
BROKEN = re.compile("Can't locate revision|not a database|malformed|no such column")
"""What SQLite or the migrations say of a database that is broken, or that a newer version has written."""


class ServerError(IterPrefError):
    """The failure of a server: it did not start, or no longer answers."""


def answers(url: str) -> bool:
    """Return whether a GET of the address succeeds within three seconds."""
    try:
        with urllib.request.urlopen(url, timeout=3) as response:
            return bool(response.status == 200)
    except (OSError, ValueError):
        return False


def belongs_to_user(url: str) -> bool:
    """Return whether it is a process of this user that listens on loopback at the port of an address.

    Another user's program may have taken the port of a server that was killed. Only Linux tells whose a listener is.
    """
    if sys.platform != "linux":
        return True
    # `0: 0100007F:1068 00000000:0000 0A …`: local address and port, the other end, state 0A (listening), …, user id.
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()]
    port = f":{urlsplit(url).port or 80:04X}"
    owners = {int(socket[7]) for socket in sockets if socket[3] == "0A" and socket[1].endswith(port)}
    return owners == {os.getuid()}


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unnamed = mkstemp(dir=path.parent)  # it makes such a file
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(unnamed).replace(path)


def free_port(preferred: int = 0) -> int:
    """Return the preferred port of the loopback interface if it is free, otherwise any free one."""
    with socket.socket() as holder:
        # Without this option the port of a server that has just ended counts as taken.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((LOOPBACK, preferred))
        except OSError:
            return free_port()
        return int(holder.getsockname()[1])


@contextmanager
def served(
    name: str,
    command: Sequence[str],
    port: int | None,
    settings: Mapping[str, str],
    health: str,
    preferred: int = 0,
) -> Iterator[str]:
    """Run a module of Python as a server until the block ends, with its output in a file.

    Args:
        name: for messages, and of the file.
        command: the module and its arguments, which host and port follow.
        port: where it must listen; None: at the preferred one, or at any free one if that is taken.
        settings: variables that are added to this process's environment, or replace some.
        health: the path that answers once the server is ready.
        preferred: its usual port.

    Yields:
        The server's address, such as `http://127.0.0.1:4200`.

    Raises:
        ServerError: the server did not start.
    """
    log = (home() / STATE / "logs" / f"{name}.log").resolve()
    log.parent.mkdir(parents=True, exist_ok=True)
    log.parent.chmod(0o700)  # MLflow logs the name of its host, which nobody else may know
    with ExitStack() as stack:
        # Two that start at once would find the same port free, and one would take the other's server for its own.
        with FileLock(locks_of_user() / "server"):
            found = str(free_port(port or preferred))
            if port and int(found) != port:
                raise ServerError(
                    f"{name}: port {port} is taken; end the program that has it, or choose another --port"
                )
            address = f"http://{LOOPBACK}:{found}"
            with log.open("wb") as output:
                arguments = [sys.executable, "-m", *command, "--host", LOOPBACK, "--port", found]
                server = subprocesses.start(arguments, {**os.environ, **settings}, output)
            stack.callback(subprocesses.end, server)
            deadline = time.monotonic() + START_TIMEOUT_S
            # The server is ready when its health page answers; another program may have taken the port meanwhile.
            while not (belongs_to_user(address) and answers(address + health)):
                if server.poll() is not None:
                    raise ServerError(f"{name} ended while starting{_last_error(log)}; its log is {log}")
                if time.monotonic() > deadline:
                    raise ServerError(f"{name} did not answer within {START_TIMEOUT_S:.0f} s; its log is {log}")
                time.sleep(0.1)
        yield address


def _last_error(log: Path) -> str:
    """Return the last exception of a server's log, after a colon, or an empty string."""
    errors = re.findall(r"(?m)^[\w.]*(?:Error|Exception): .+", log.read_text(encoding="utf-8", errors="replace"))
    return f": {without_passwords(errors[-1].strip())}" if errors else ""
