"""A small HTTP server in a thread of the test, for what a test has to hear or refuse itself."""

from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tasks.local_server import LOOPBACK

Answer = Callable[[BaseHTTPRequestHandler, bytes], int]
"""A request, with path and headers, and its body → status of the answer."""


@contextmanager
def serving(answer, text=b""):
    """Serve on a free port of loopback, where every answer has this text; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(b"")

        def do_POST(self):
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body):
            self.send_response(answer(self, body))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()
