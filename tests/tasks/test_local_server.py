"""Settings of the environment that reach the programs that are started; servers of this machine, and their health."""

import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from iterpref_core.cli.libraries import set_up_libraries
from tasks.local_server import ServerError, answers, free_port, served
from tests.http_server import serving

SERVER = """
import argparse, http.server, os, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["NAME"].encode())

parser = argparse.ArgumentParser()
parser.add_argument("--host")
parser.add_argument("--port", type=int)
options = parser.parse_args()
time.sleep(1)
http.server.HTTPServer((options.host, options.port), Handler).serve_forever()
"""


def test_servers_that_start_at_once_have_a_port_each_and_none_is_taken_for_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.py").write_text(SERVER)
    port = free_port()
    both_are_there = Barrier(2)

    def start(name):
        settings = {"NAME": name, "PYTHONPATH": str(tmp_path)}
        with served(name, ["toy"], None, settings, "/", port) as address:
            both_are_there.wait(60)
            with urllib.request.urlopen(address, timeout=60) as answer:
                said = answer.read().decode()
            both_are_there.wait(60)  # until then neither of them is ended
            return said

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(start, ["first", "second"])) == ["first", "second"]


def test_a_server_that_ends_says_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("raise OSError('http://me:word@host refuses')")
    why = r"ended while starting: OSError: http://host refuses; its log is .*broken\.log"
    with pytest.raises(ServerError, match=why), served("broken", ["broken"], None, {}, "/"):
        pass
    with serving(lambda *_: 200) as url:
        port = int(url.rpartition(":")[2])
        with (
            pytest.raises(ServerError, match=f"broken: port {port} is taken"),
            served("broken", ["broken"], port, {}, "/"),
        ):
            pass


def test_loopback_is_never_asked_through_a_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "example.org")
    for _ in range(2):
        set_up_libraries()
        assert os.environ["NO_PROXY"] == "example.org,127.0.0.1,localhost", "each name once"
    with serving(lambda *_: 200) as url:
        assert answers(url)


def test_of_git_s_variables_those_that_mean_a_repository_go(monkeypatch):
    kept = ("GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_SSL_CAINFO", "GIT_TERMINAL_PROMPT", "GIT_CONFIG_COUNT")
    gone = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_COMMON_DIR")
    for name in (*kept, *gone):
        monkeypatch.setenv(name, "0")
    set_up_libraries()
    assert [name for name in kept if name not in os.environ] == []
    assert [name for name in gone if name in os.environ] == []
