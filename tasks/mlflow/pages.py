"""MLflow's pages: a server on loopback that shows a data base of runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.local_server import LOOPBACK, answers, served
from tasks.mlflow.server import artifacts_uri

MLFLOW_PORT = 5000
"""The preferred port of `iterpref ui`; any free port if that one is taken."""


@contextmanager
def mlflow_server(port: int, store: str) -> Iterator[str]:
    """Start a server of MLflow's pages over a data base, and yield its address once it answers.

    Args:
        port: on loopback.
        store: address of the data base. It may hold a password, so no command line shows it.

    Raises:
        ServerError: it did not start.
    """
    settings = {
        "MLFLOW_BACKEND_STORE_URI": store,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Jobs are four more processes, and nothing here has any.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    root = artifacts_uri()
    command = ["mlflow", "server", "--default-artifact-root", root, "--host", LOOPBACK, "--port", str(port)]
    address = f"http://{LOOPBACK}:{port}"
    with served("mlflow", [*command, "--workers", "1"], settings, lambda: answers(f"{address}/health")):
        yield address
