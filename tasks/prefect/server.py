"""Prefect's server: the one that PREFECT_API_URL names, or that of `iterpref ui`.

Prefect's import takes a second and a half, so it stands in functions.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import atomic_writer
from tasks.addresses import database_url, without_passwords
from tasks.local_server import LOOPBACK, served
from tasks.paths import STATE, home

PREFECT_PORT = 4200
"""The preferred port of `iterpref ui`; any free port if that one is taken."""
HEARTBEAT_S = 30
"""Seconds between two signs of life of a run, the least that Prefect takes. docker/automations.yaml counts on it."""

_ADDRESS = STATE / "prefect.url"
"""The file with the address of the server of this checkout's `iterpref ui`, while that runs."""


@contextmanager
def prefect_server(port: int) -> Iterator[str]:
    """Start a Prefect server that ends with this process, however that is.

    Prefect's own temporary server would outlive a killed run.

    Args:
        port: on loopback.

    Yields:
        The address of the server's interface for programs, once the server answers.

    Raises:
        ServerError: the server did not start.
    """
    folder = (home() / STATE / "prefect").resolve()
    database = database_url(folder / "prefect.db", "sqlite+aiosqlite")
    settings = {
        "PREFECT_HOME": str(folder),
        # Both names: a user's own setting may have either, and is meant for another server.
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # The second version of the pages asks a service of its makers for settings.
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
    }
    # A server of our own that has ended does not come back, so long retries are in vain.
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "3")
    command = ["prefect", "server", "start", "--host", LOOPBACK, "--port", str(port)]
    url = f"http://{LOOPBACK}:{port}/api"
    with served("prefect", command, settings, lambda: is_healthy(url)):
        yield url


@contextmanager
def announced(url: str) -> Iterator[None]:
    """Let runs of this checkout show on the pages of `iterpref ui`."""
    path = _ADDRESS.resolve()
    with atomic_writer(path) as file:
        file.write(without_passwords(url))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running_prefect() -> str | None:
    """Return the address of the Prefect server that is there: named by PREFECT_API_URL, or else of `iterpref ui`.

    Raises:
        InputError: the server that is named does not answer, or refuses the key.
    """
    if named := named_prefect():
        return named
    address = home() / _ADDRESS
    # An `iterpref ui` that was killed leaves the file.
    if address.is_file() and not _ask_prefect(url := address.read_text(encoding="utf-8")):
        return url
    return None


def use_prefect(url: str) -> None:
    """Let flows of this process and of its children be shown on a Prefect server."""
    from prefect.context import refresh_global_settings_context

    os.environ["PREFECT_API_URL"] = url
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(HEARTBEAT_S))
    refresh_global_settings_context()


def named_prefect() -> str | None:
    """Return the address of the server that PREFECT_API_URL names.

    Raises:
        InputError: the server does not answer, or refuses the key.
    """
    named = os.environ.get("PREFECT_API_URL")
    if named and (problem := _ask_prefect(named)):
        if not named.rstrip("/").endswith("/api"):
            problem += "; the address of Prefect's interface for programs ends in /api"
        raise InputError(
            f"the Prefect server at {without_passwords(named)}, which PREFECT_API_URL names, {problem}; or name none: "
            "unset PREFECT_API_URL"
        )
    return named or None


def is_healthy(url: str) -> bool:
    """Return whether a Prefect server answers, with or without a key."""
    with _client_of(url) as client:
        return client.api_healthcheck() is None


def _ask_prefect(url: str) -> str:
    """Return why a Prefect server cannot be used, asked with the user's key; nothing if it can be."""
    from httpx import HTTPError
    from prefect.exceptions import PrefectHTTPStatusError

    with _client_of(url) as client:
        try:
            client.read_flows(limit=1)
        except PrefectHTTPStatusError as error:
            code = error.response.status_code
            remedy = "set PREFECT_API_KEY or PREFECT_API_AUTH_STRING" if code in (401, 403) else "look at its log"
            return f"answers {code}: {remedy}"
        except HTTPError as error:
            return f"does not answer ({without_passwords(str(error))}): start it"
    return ""


@contextmanager
def _client_of(url: str) -> Iterator[Any]:
    """Open Prefect's client of a server that may not be there, with the user's key."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    with (
        temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(sync_client=True) as client,
    ):
        yield client
