"""A copy runs a module as its client would, and the two end together."""

import os
import select
import signal
import socket
import subprocess
import sys
import time

import pytest

from tasks import fork_server
from tests.settings import ROOT
from tests.tasks.test_subprocesses import wait_until_gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux runs it")
SERVER = "from tasks import fork_server; fork_server.LIBRARIES = ('no_library', 'json'); fork_server.main()"
MODULE = """
import os, sys, time
is_parent = os.environ["ITERPREF_PARENT"] == str(os.getppid())
print(os.getpid(), sys.argv[1:], os.getcwd(), os.environ["GIVEN"], is_parent, flush=True)
print(sys.stdin.read(), file=sys.stderr, flush=True)
time.sleep(float(sys.argv[1]))
os.kill(os.getpid(), 9) if sys.argv[2] == "kill" else sys.exit(int(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    address = tmp_path_factory.mktemp("server" * 20) / "socket"  # longer than the address of a socket may be
    with subprocess.Popen([sys.executable, "-c", SERVER, address], cwd=ROOT) as server:
        while not address.exists():
            time.sleep(0.01)
        yield address
        server.terminate()


@pytest.fixture
def ask(address, tmp_path):
    """Start a client in a folder with a module of its own."""
    (tmp_path / "own.py").write_text(MODULE)

    def ask(*arguments, address=address):
        command = [sys.executable, "-IS", fork_server.__file__, address, "own", *map(str, arguments)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"GIVEN": "ü"}, text=True, **pipes)

    return ask


@pytest.mark.parametrize(("end", "code"), [("0", 0), ("7", 7), ("kill", -9)])
@pytest.mark.parametrize("served", [True, False])
def test_a_client_is_its_copy_and_does_without_a_server_that_is_gone(ask, address, tmp_path, end, code, served):
    with ask(0, end, address=address if served else tmp_path / "gone") as client:
        out, err = client.communicate("input")
    pid, *rest = out.split(maxsplit=1)
    assert rest == [f"['0', '{end}'] {tmp_path} ü True\n"]
    assert (err, client.returncode) == ("input\n", code)
    assert (int(pid) == client.pid) is not served


@pytest.fixture
def with_killed_server(ask, tmp_path):
    """Call a function with a client and its connection, and end the server; returns the client, and what it printed."""

    def run(before):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "killed"))
            listener.listen()
            with ask(0, 7, address=tmp_path / "killed") as client:
                with listener.accept()[0] as connection:
                    select.select([connection], [], [])
                    before(client, connection)
                return client, client.communicate("input")

    return run


def test_a_client_does_without_a_server_that_is_killed_before_it_has_made_a_copy(with_killed_server):
    """The stage ended with `Connection reset by peer`."""
    client, (_, err) = with_killed_server(lambda *_: None)
    assert (err, client.returncode) == ("input\n", 7)


def test_a_client_whose_run_is_killed_with_the_server_does_nothing_itself(with_killed_server):
    """DVC went on as a process of nobody, and the next run found its files "busy"."""

    def end(client, connection):
        client.send_signal(signal.SIGTERM)
        ends = select.poll()
        ends.register(connection, select.POLLRDHUP)
        ends.poll()

    client, printed = with_killed_server(end)
    assert printed == ("", "")
    assert client.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_copy_ends_with_its_client(ask, number):
    with ask(60, 0) as client:
        client.stdin.close()
        copy = int(client.stdout.readline().split()[0])
        client.send_signal(number)
    assert client.returncode == -number
    wait_until_gone(copy)
