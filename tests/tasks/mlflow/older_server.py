"""A tracking server that refuses what a server of MLflow 2.22 refuses, and says which version it is."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tasks.local_server import answers, free_port

PROGRAM = """
import os, sys
port, folder, version = int(sys.argv[1]), sys.argv[2], sys.argv[3]
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
        return version, 200 if version else 404

app.before_request_funcs.setdefault(None, []).insert(0, older)
make_server("127.0.0.1", port, app, threaded=True).serve_forever()
"""


@contextmanager
def older_server(folder: Path) -> Iterator[Callable[[str], str]]:
    """Yield a function that starts a server of a version, and returns its address."""
    folder.mkdir()
    with ExitStack() as stack:

        def start(version: str) -> str:
            port = free_port()
            command = [sys.executable, "-c", PROGRAM, str(port), str(folder), version]
            server = subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.DEVNULL)
            stack.callback(server.wait)
            stack.callback(server.terminate)
            deadline = time.monotonic() + 240
            while not answers(f"http://127.0.0.1:{port}/health"):
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
            return f"http://127.0.0.1:{port}"

        yield start
