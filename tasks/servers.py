"""Servers on loopback: Prefect's, for one run or for `iterpref ui`, and MLflow's pages.

Nothing here imports Prefect: it reads its settings from the environment when it is imported.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from iterpref_core.errors import IterPrefError
from iterpref_core.storage.jsonl import atomic_writer
from tasks import child
from tasks.paths import STATE
from tasks.worktree import home

LOOPBACK = "127.0.0.1"
PREFECT_PORT, MLFLOW_PORT = 4200, 5000
"""Of the pages of `iterpref ui`, where nobody else has taken them."""
START_TIMEOUT_S = 180.0
"""A first start migrates the data base: 10 s on a quiet machine."""

_PAGES = STATE / "ui.json"
# What only a server with schedules and automations needs.
_IDLE_SERVICES = ("SCHEDULER", "LATE_RUNS", "PAUSE_EXPIRATIONS", "FOREMAN", "TRIGGERS")


class ServerError(IterPrefError):
    """A server did not start, or no longer answers."""


class Pages(BaseModel):
    """Addresses of the servers of `iterpref ui`: of Prefect's interface for programs, and of MLflow's pages."""

    prefect: str
    mlflow: str


def answers(url: str) -> bool:
    """Whether a GET of the address succeeds within three seconds."""
    try:
        with urllib.request.urlopen(url, timeout=3) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def free_port(preferred: int = 0) -> int:
    """The preferred port of the loopback interface if it is free, otherwise any that is."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((LOOPBACK, preferred))
        except OSError:
            return free_port()
        return int(holder.getsockname()[1])


@contextmanager
def prefect_server(port: int, *, pages: bool) -> Iterator[str]:
    """A Prefect server; yields the address of its interface for programs once it answers.

    Args:
        port: on loopback.
        pages: serve the web pages, and run what only a lasting server needs.

    Raises:
        ServerError: it did not start.
    """
    settings = {
        "PREFECT_HOME": str((home() / STATE / "prefect").resolve()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",  # it asks a service of its makers for settings
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
    }
    os.environ |= settings
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "3")  # of a server of our own, which does not come back
    if not pages:
        settings |= {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in _IDLE_SERVICES}
        settings["PREFECT_SERVER_UI_ENABLED"] = "false"
    command = ["prefect", "server", "start", "--host", LOOPBACK, "--port", str(port)]
    with _served("prefect", command, settings, f"http://{LOOPBACK}:{port}/api/health"):
        yield f"http://{LOOPBACK}:{port}/api"


@contextmanager
def mlflow_server(port: int, store: str) -> Iterator[str]:
    """MLflow's pages over a data base; yields their address once they answer.

    Args:
        port: on loopback.
        store: address of the data base. It may hold a password, so no command line shows it.

    Raises:
        ServerError: it did not start.
    """
    settings = {"MLFLOW_BACKEND_STORE_URI": store, "MLFLOW_DISABLE_TELEMETRY": "true"}
    settings["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # four more processes, for nothing that is recorded here
    artifacts = (home() / "mlartifacts").resolve().as_uri()
    command = ["mlflow", "server", "--default-artifact-root", artifacts, "--host", LOOPBACK, "--port", str(port)]
    with _served("mlflow", [*command, "--workers", "1"], settings, f"http://{LOOPBACK}:{port}/health"):
        yield f"http://{LOOPBACK}:{port}"


@contextmanager
def announced(pages: Pages) -> Iterator[None]:
    """Let runs of this checkout, and a bare `dvc repro`, show in the pages of `iterpref ui`."""
    path = _PAGES.resolve()
    with atomic_writer(path) as file:
        file.write(pages.model_dump_json())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def announced_pages() -> Pages | None:
    """Where `iterpref ui` of this checkout serves, if it does or was killed."""
    try:
        return Pages.model_validate_json((home() / _PAGES).read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def running_prefect() -> str | None:
    """Address of a Prefect server that answers: that of `PREFECT_API_URL`, or else of `iterpref ui`."""
    pages = announced_pages()
    for url in (os.environ.get("PREFECT_API_URL"), pages.prefect if pages else None):
        if url and answers(f"{url}/health"):
            return url
    return None


@contextmanager
def _served(name: str, command: Sequence[str], settings: Mapping[str, str], health: str) -> Iterator[None]:
    """A module of Python as a server, its output in a file, until the block ends."""
    log = (home() / STATE / "logs" / f"{name}.log").resolve()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        server = child.start([sys.executable, "-m", *command], {**os.environ, **settings}, output)
    try:
        _wait_healthy(name, server, health, log)
        yield
    finally:
        child.end(server)


def _wait_healthy(name: str, server: subprocess.Popen[bytes], health: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not answers(health):
        if server.poll() is not None:
            raise ServerError(f"{name} ended while starting; its log is {log}")
        if time.monotonic() > deadline:
            raise ServerError(f"{name} did not answer within {START_TIMEOUT_S:.0f} s; its log is {log}")
        time.sleep(0.1)
