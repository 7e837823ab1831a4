"""Serve MLflow's pages on loopback for a database of runs."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.addresses import without_passwords
from tasks.local_server import LOOPBACK, served
from tasks.paths import STATE, home

from .server import Server, TrackingError, artifacts_uri, is_in_checkout, make_database, tracking_uri

ADDRESS = STATE / "mlflow.url"
"""The file with the address of the pages of this checkout's `iterpref ui`, while that runs."""
_PORT = 5000
"""The preferred port of `iterpref ui`; any free port if that one is taken."""


@contextmanager
def mlflow_server(port: int | None = None) -> Iterator[str]:
    """Start a server of MLflow's pages over the database of runs, and yield its address once it answers.

    Args:
        port: as for `served`.

    Raises:
        ServerError: it did not start.
    """
    # MLflow 3 lets every program of this machine ask its assistant to run commands as the user who started the server.
    # But it refuses each request that names another host, so it gets a name that nobody can guess. Browsers look for
    # every name below `.localhost` on this machine.
    host = f"{secrets.token_hex(16)}.localhost"
    settings = {
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{host}:*",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"http://{host}:*",
        # The environment passes the address, which may contain a password. For the checkout's own database it is the
        # name alone, because the server starts in the same folder, and MLflow would decode `%2F` in a path.
        "MLFLOW_BACKEND_STORE_URI": "sqlite:///mlflow.db" if is_in_checkout() else tracking_uri(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # The server of background jobs is four more processes, which are not needed here.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = ["mlflow", "server", "--default-artifact-root", artifacts_uri(), "--workers", "1"]
    make_database()
    with served("mlflow", command, port, settings, "/health", _PORT) as address:
        yield address.replace(LOOPBACK, host)


def charts_page(address: str) -> str:
    """Return the address of the experiment's charts: its table of runs has no column of scores."""
    try:
        number = Server(create=is_in_checkout()).experiment_id
    except TrackingError:  # the first run says why
        number = ""
    return f"{address}/#/experiments/{number}/runs?compareRunsMode=CHART" if number else address


def page_of_run(key: str) -> str:
    """Return the address of a run's page, or its name if no page is up; empty if MLflow does not have it."""
    address = home() / ADDRESS
    base = tracking_uri() if tracking_uri().startswith("http") else ""
    if not base and address.is_file():
        base = address.read_text(encoding="utf-8")
    try:
        server = Server(create=False)
    except TrackingError:
        return ""
    run = server.find_run(key) if server.experiment_id else None
    if run is None or not base:
        return run.info.run_name if run else ""
    return without_passwords(f"{base}/#/experiments/{server.experiment_id}/runs/{run.info.run_id}")
