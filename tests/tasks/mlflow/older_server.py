"""A tracking server that refuses what a server of MLflow 2.22 refuses, and says the version that it is told to say."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.local_server import answers, free_port

PROGRAM = """
import os, sys
port, folder = int(sys.argv[1]), sys.argv[2]
os.environ |= {
    "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder}/mlflow.db", "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/", "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"{folder}/artifacts",
}
from flask import request
from mlflow.server import app
from werkzeug.serving import make_server

def older():
    body = request.get_json(silent=True) or {}
    if "logged-models" in request.path or request.path.endswith("/runs/outputs"):
        return "<title>404 Not Found</title>", 404
    if request.path.endswith("/runs/log-inputs") and not body.get("datasets"):
        return {"error_code": "INVALID_PARAMETER_VALUE", "message": "Missing value for parameter 'datasets'."}, 400
    if request.path == "/version":
        version = open(f"{folder}/version").read()
        return version, 200 if version else 404

app.before_request_funcs.setdefault(None, []).insert(0, older)
make_server("127.0.0.1", port, app, threaded=True).serve_forever()
"""


@dataclass(frozen=True)
class OlderServer:
    """A server that runs.

    Attributes:
        address: its own.
        folder: of its data base and its files.
    """

    address: str
    folder: Path

    def say(self, version: str) -> None:
        """Have the server name this version from now on; none if the text is empty."""
        (self.folder / "version").write_text(version, encoding="utf-8")


@contextmanager
def older_server(folder: Path) -> Iterator[OlderServer]:
    """Run a server on the data base `mlflow.db` of a folder."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port), str(folder)], env=dict(os.environ), stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 240
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield OlderServer(f"http://127.0.0.1:{port}", folder)
    finally:
        server.terminate()
        server.wait()
