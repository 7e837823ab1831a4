"""Behaves like the Python of vLLM's environment, as far as its client can see; `STAND_IN` says how it fares."""

import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

MODE = os.environ.get("STAND_IN", "")
NOTES = os.environ["STAND_IN_NOTES"]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = os.environ["STAND_IN_ANSWER"]
        usage = {"prompt_tokens": 5, "completion_tokens": 3}
        body = json.dumps({"choices": [{"text": text, "finish_reason": "stop"}], "usage": usage})
        too_many = len(asked.get("stop", ())) > int(os.environ.get("VLLM_MAX_STOP_STRINGS", "4"))
        self.send_response(400 if too_many else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        """Quiet."""


def main():
    worker = subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(600)"])
    known = {"pids": [os.getpid(), worker.pid], "arguments": sys.argv[1:], "environment": dict(os.environ)}
    partial = Path(NOTES).with_suffix(".part")
    partial.write_text(json.dumps(known))
    partial.rename(NOTES)
    if MODE == "crash":
        raise ValueError("model type `nosuch` is not known")
    if MODE == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()


main()
