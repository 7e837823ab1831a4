"""Fork DVC and stages from one process that has loaded their libraries.

Loading PyTorch, transformers and TRL takes 8 s of CPU time in each training, and each command of DVC loads for half a
second. A server loads all of it once. A client asks it for a copy of itself, which runs `python -m MODULE ARGUMENT…`
with the client's folder, environment, input and output. The client ends as the copy does, and the copy ends with it:

    client (in DVC's shell) ── socket ── keeper (a fork of the server) ── copy (a fork of the keeper)

The server loads no code of this project. So a copy runs the code of its own folder, and observes it before loading it.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

LIBRARIES = ("dvc.cli.parser", "dvc.repo", "scmrepo.git", "torch", "transformers.trainer", "datasets", "peft", "trl")
"""What the server loads, one after the other; in between it answers."""

GRACE_S = 3.0
"""Seconds between SIGTERM and SIGKILL for a copy whose client ends."""


def ask(address: str, module: str, *arguments: str) -> NoReturn:
    """Run a module in a copy of the server, and end as the copy does. SIGTERM ends the copy first."""
    request = {"folder": str(Path.cwd()), "environment": dict(os.environ), "arguments": [module, *arguments]}
    connection = socket.socket(socket.AF_UNIX)
    ended = threading.Event()

    def end_copy(*_: Any) -> None:
        ended.set()
        connection.shutdown(socket.SHUT_WR)

    try:
        with _short(address) as short:
            connection.connect(short)
        signal.signal(signal.SIGTERM, end_copy)
        socket.send_fds(connection, [b"\n"], [0, 1, 2])
        connection.sendall(json.dumps(request).encode() + b"\n")
        code = int(connection.recv(16) or -signal.SIGKILL)
    except OSError:  # the system has killed the server, which is large, before it has made a copy
        if ended.is_set():  # as well, with all of the run
            sys.exit(128 + signal.SIGTERM)
        os.environ["ITERPREF_PARENT"] = str(os.getppid())
        os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
    if code < 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


@contextmanager
def _short(address: str) -> Iterator[str]:
    """Yield a short path of a socket: its address has at most 107 bytes, and paths of temporary files may have more."""
    folder = os.open(Path(address).parent, os.O_PATH)
    try:
        yield f"/proc/self/fd/{folder}/{Path(address).name}"
    finally:
        os.close(folder)


def serve(address: str) -> socket.socket:
    """Answer clients until SIGTERM. Return only in a fork, with the connection to its client."""
    signal.signal(signal.SIGTERM, _count_and_exit)
    listener = socket.socket(socket.AF_UNIX)
    with _short(address) as short:
        listener.bind(short)
    listener.listen()
    missing = list(LIBRARIES)
    while True:
        if missing and not select.select([listener], [], [], 0)[0]:
            with suppress(Exception):  # a stage that needs a broken library says so
                importlib.import_module(missing.pop(0))
            continue
        client = listener.accept()[0]
        gc.freeze()  # a copy that looked for garbage in all of it would have its memory copied, for a second
        if not os.fork():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            listener.close()
            return client
        client.close()


def _count_and_exit(*_: Any) -> NoReturn:
    """Wait for keepers that have ended, so that `iterpref run` can say how much CPU time everything has taken."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    sys.exit()


def keep(copy: int, client: socket.socket) -> NoReturn:
    """Wait for a copy, and send its exit code to its client. End the copy and its group if the client ends first."""

    def signal_group(number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(copy, number)

    def end_with_client() -> None:
        client.recv(1)  # nothing: the client has ended
        signal_group(signal.SIGTERM)
        time.sleep(GRACE_S)
        signal_group(signal.SIGKILL)

    threading.Thread(target=end_with_client, daemon=True).start()
    code = os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
    signal_group(signal.SIGTERM)  # what it has left
    with suppress(OSError):  # the client has ended
        client.sendall(str(code).encode())
    os._exit(0)


def become(request: dict[str, Any], descriptors: list[int]) -> None:
    """Take a client's folder, environment, arguments, input and output. The parent is the keeper."""
    os.setsid()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    os.environ["ITERPREF_PARENT"] = str(os.getppid())
    sys.argv = request["arguments"]
    sys.path.insert(0, request["folder"])
    # PyTorch has read the variable when it was loaded.
    if (torch := sys.modules.get("torch")) and (threads := os.environ.get("OMP_NUM_THREADS", "")).isdecimal():
        torch.set_num_threads(int(threads))


def run(module: str) -> NoReturn:
    """Run a module, and end as Python does, but without taking apart what the server has loaded: that takes 0.4 s."""
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):  # which Python prints
            raise
        code = end.code or 0
    # What `multiprocessing` does in a fork, and the functions that are registered for the end.
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
    atexit._run_exitfuncs()  # noqa: SLF001
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Serve at the address that is the only argument; with more arguments ask the server there."""
    if len(sys.argv) > 2:
        ask(*sys.argv[1:])
    client = serve(sys.argv[1])
    descriptors = socket.recv_fds(client, 1, 3)[1]
    with client.makefile() as lines:
        request = json.loads(lines.readline())
    if copy := os.fork():
        for descriptor in descriptors:
            os.close(descriptor)
        keep(copy, client)
    client.close()
    become(request, descriptors)
    run(sys.argv[0])


if __name__ == "__main__":
    main()
