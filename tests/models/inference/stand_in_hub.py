"""A hub in a thread of the test: models as folders, each under the names of its revisions; some of them gated."""

import hashlib
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

_API = "/api/models/"


def commit_of(folder):
    """The commit that stands for a folder."""
    return hashlib.sha1(str(folder).encode()).hexdigest()


class StandInHub(ThreadingHTTPServer):
    """Answers what the hub's library asks of models.

    Args:
        models: name → branch or tag → the folder that it names.
        gated: names of models whose files are refused, as to all who have not accepted a license.
    """

    def __init__(self, models, gated):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models, self.gated = models, gated


class _Handler(BaseHTTPRequestHandler):
    server: StandInHub

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        if not path.startswith(_API):
            name, _, rest = path.removeprefix("/").partition("/resolve/")
            revision, _, file = rest.partition("/")
            self._send_file(name, revision, file)
        elif "/tree/" in path:
            name, _, rest = path.removeprefix(_API).partition("/tree/")
            self._list_files(name, *rest.split("/", 1))
        else:
            name, _, revision = path.removeprefix(_API).partition("/revision/")
            if (folder := self._folder(name, revision or "main")) is not None:
                self._answer(json.dumps({"id": name, "sha": commit_of(folder)}).encode())

    do_HEAD = do_GET  # noqa: N815 - the handler's name for it

    def _send_file(self, name, revision, file):
        if name in self.server.gated:
            self._refuse(403, "GatedRepo")
        elif (folder := self._folder(name, revision)) is not None:
            commit = {"X-Repo-Commit": commit_of(folder)}
            if (folder / file).is_file():
                content = (folder / file).read_bytes()
                self._answer(content, commit | {"ETag": f'"{hashlib.sha1(content).hexdigest()}"'})
            else:
                self._refuse(404, "EntryNotFound", commit)

    def _list_files(self, name, revision, below=""):
        if (folder := self._folder(name, revision)) is None:
            return
        if below:
            self._refuse(404, "EntryNotFound")
            return
        files = [
            {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": "0"} for file in folder.iterdir()
        ]
        self._answer(json.dumps(files).encode())

    def _folder(self, name, revision):
        folders = self.server.models.get(name)
        if folders is None:
            self._refuse(404, "RepoNotFound")
            return None
        found = {**{commit_of(folder): folder for folder in folders.values()}, **folders}.get(revision)
        if found is None:
            self._refuse(404, "RevisionNotFound")
        return found

    def _refuse(self, status, code, headers=None):
        self._answer(b"", {"X-Error-Code": code, **(headers or {})}, status)

    def _answer(self, body, headers=None, status=200):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serving_hub(models, *gated):
    """Serve models on a free port of loopback; yields the address."""
    with StandInHub(models, frozenset(gated)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def use_hub(monkeypatch, address, cache):
    """Have the hub's library ask this address, and keep what it gets in this folder."""
    files = address + "/{repo_id}/resolve/{revision}/{filename}"
    values = {"ENDPOINT": address, "HUGGINGFACE_CO_URL_TEMPLATE": files, "HF_HUB_CACHE": str(cache)}
    for name, value in (values | {"HF_HUB_OFFLINE": False}).items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    monkeypatch.setattr("transformers.utils.hub._hf_api", None)  # it keeps the address that it had first
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # as the constant, set where the hub is gone
