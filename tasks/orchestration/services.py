"""Local services: a private Prefect server for one run, and the user interfaces.

Nothing here imports Prefect: it reads its settings from the environment when it is imported.
"""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path

from pydantic import BaseModel

from iterpref_core.errors import IterPrefError
from iterpref_core.storage.jsonl import atomic_writer
from tasks.common.paths import STATE
from tasks.orchestration import processes
from tasks.orchestration.stage_environment import home

LOOPBACK = "127.0.0.1"
PREFECT_PORT, MLFLOW_PORT = 4200, 5000
"""Of the pages of `iterpref ui`, where nobody else has taken them."""
START_TIMEOUT_S = 180.0
"""A first start migrates the data base: 10 s on a quiet machine."""

_WATCH_S = 0.5

log = logging.getLogger("iterpref.run")

# What only a server with schedules and automations needs.
_IDLE_SERVICES = ("SCHEDULER", "LATE_RUNS", "PAUSE_EXPIRATIONS", "FOREMAN", "TRIGGERS")


class ServiceError(IterPrefError):
    """A local service did not start."""


def answers(url: str) -> bool:
    """Whether a GET of the address succeeds within three seconds."""
    try:
        with urllib.request.urlopen(url, timeout=3) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def responds(url: str) -> bool:
    """Whether a GET of the address is answered within three seconds, if only by a refusal; no key is sent."""
    try:
        urllib.request.urlopen(url, timeout=3).close()
    except urllib.error.HTTPError:
        return True
    except (urllib.error.URLError, OSError, ValueError, HTTPException):
        return False
    return True


@contextmanager
def reserved_port(preferred: int = 0) -> Iterator[int]:
    """The preferred port of the loopback interface if it is free, otherwise any that is.

    Within the block nobody else is given it, and a server can listen on it, also after one that was just killed.
    """
    with ExitStack() as stack:
        for port in (preferred, 0):
            holder = stack.enter_context(socket.socket())
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                holder.bind((LOOPBACK, port))
            except OSError:
                continue
            yield int(holder.getsockname()[1])
            return
        raise ServiceError("no free port on the loopback interface")


class LocalService:
    """A child that serves HTTP on loopback; its output goes to a log file.

    Once it answers, it is started again whenever it ends by itself: those who ask it try again for minutes.
    """

    def __init__(self, name: str, command: list[str], environment: dict[str, str], health: str) -> None:
        self.name = name
        self.health = health
        self.log = (STATE / "logs" / f"{name}.log").resolve()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        self._command = command
        self._environment = os.environ | environment
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._start_again, name=f"watch of {name}", daemon=True)
        self._child = self._start()

    def wait_healthy(self) -> None:
        """Wait until the service answers.

        Raises:
            ServiceError: it ended, or did not answer in time.
        """
        self._wait_healthy()
        self._watch.start()

    def stop(self) -> None:
        """End the service."""
        self._stopping.set()
        if self._watch.is_alive():
            self._watch.join()
        processes.end(self._child)

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return processes.start(self._command, self._environment, output, service=True)

    def _wait_healthy(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._stopping.is_set() and not answers(self.health):
            if self._child.poll() is not None:
                raise ServiceError(f"{self.name} ended while starting; its log is {self.log}")
            if time.monotonic() > deadline:
                raise ServiceError(f"{self.name} did not answer within {START_TIMEOUT_S:.0f} s; its log is {self.log}")
            self._stopping.wait(0.1)

    def _start_again(self) -> None:
        while not self._stopping.wait(_WATCH_S):
            if self._child.poll() is None:
                continue
            log.warning("%s ended by itself (%d); it is started again", self.name, self._child.returncode)
            processes.end(self._child)
            self._child = self._start()
            try:
                self._wait_healthy()
            except ServiceError as error:
                log.error("%s; it is not started again", error)
                return


def prefect_environment(home: Path) -> dict[str, str]:
    """Variables that keep Prefect to this machine and one folder of it: its data base, its settings, no telemetry.

    The second generation of its pages asks a service for settings of its telemetry even where that is switched off; the
    first asks nobody.
    """
    return {
        "PREFECT_HOME": str(home.resolve()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLIENT_MAX_RETRIES": "7",  # for four minutes: by then a server of ours is there again
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
    }


def log_to_prefect() -> None:
    """Have Prefect show our own lines on a run's page, such as which stage begins; to be called before its import."""
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "iterpref")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")


def start_prefect(port: int, *, interface: bool) -> LocalService:
    """Start a Prefect server.

    Args:
        port: on loopback.
        interface: serve the web interface, and run what only a lasting server needs.
    """
    environment = prefect_environment(STATE / "prefect")
    if not interface:
        environment["PREFECT_SERVER_UI_ENABLED"] = "false"
        environment |= {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in _IDLE_SERVICES}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", LOOPBACK, "--port", str(port)]
    return LocalService("prefect", command, environment, f"http://{LOOPBACK}:{port}/api/health")


class Interfaces(BaseModel):
    """Addresses of the servers of `iterpref ui`: of Prefect's interface for programs, and of MLflow's pages."""

    prefect: str
    mlflow: str


_INTERFACES = STATE / "interfaces.json"


@contextmanager
def announced(interfaces: Interfaces) -> Iterator[None]:
    """Tell runs of this workspace where the servers of `iterpref ui` are."""
    path = _INTERFACES.resolve()
    with atomic_writer(path) as file:
        file.write(interfaces.model_dump_json())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def announced_interfaces() -> Interfaces | None:
    """Where `iterpref ui` of this workspace serves, if it does or was killed."""
    try:
        return Interfaces.model_validate_json((home() / _INTERFACES).read_bytes())
    except (FileNotFoundError, ValueError):
        return None


@contextmanager
def prefect_server() -> Iterator[LocalService | None]:
    """Point this process at a Prefect server: one that answers, else one of its own.

    Those asked are `PREFECT_API_URL` and the server of `iterpref ui`, where the run can then be watched. A server of
    its own is yielded while it starts, so that the caller can use the time; it ends with the block.
    """
    interfaces = announced_interfaces()
    for url in (os.environ.get("PREFECT_API_URL"), interfaces.prefect if interfaces else None):
        if url and answers(f"{url}/health"):
            os.environ["PREFECT_API_URL"] = url
            yield None
            return
    with reserved_port() as port:
        os.environ |= {
            **prefect_environment(STATE / "prefect"),
            "PREFECT_API_URL": f"http://{LOOPBACK}:{port}/api",
            # It has no pages and ends with the run: links to it lead to `iterpref ui`, which reads the same data base.
            "PREFECT_UI_URL": f"http://{LOOPBACK}:{PREFECT_PORT}",
        }
        service = start_prefect(port, interface=False)
        try:
            yield service
        finally:
            service.stop()
