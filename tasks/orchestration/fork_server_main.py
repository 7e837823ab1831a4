"""Fork server's process: `python -m tasks.orchestration.fork_server_main SOCKET`.

It has one thread, so that it can fork. What can change an artifact is imported in the fork, so that a stage runs the
code as it is then, and as DVC sees it, not as it was when the run began.
"""

import ctypes
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass

from tasks.orchestration.fork_client import STARTED, WARM_VARIABLE
from tasks.orchestration.stage_environment import set_up_libraries

_OWNER_CHECK_S = 2.0
_MAX_REQUEST = 1 << 18
"""Bytes: an environment of any usual size. A larger one does not come through, and its stage runs without a fork."""
_PR_SET_PDEATHSIG = 1


@dataclass
class _Fork:
    """A stage that runs, and who asked for it; `ended` is a descriptor of the process."""

    pid: int
    ended: int
    client: socket.socket

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.ended, number)


@dataclass
class _Request:
    """What a stage's process was started with; `streams` are its standard ones."""

    module: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]
    prefix: str
    streams: list[int]

    def take_over(self) -> None:
        """Become that process, and run its module as `python -m` does."""
        for number, stream in enumerate(self.streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(self.environment)
        os.environ.pop(WARM_VARIABLE)
        os.chdir(self.folder)
        sys.argv = [self.module, *self.arguments]
        if "OMP_NUM_THREADS" in os.environ:  # the libraries have read that of another stage
            sys.modules["torch"].set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        runpy.run_module(self.module, run_name="__main__", alter_sys=True)


class _Server:
    """Forks on request, hands on the signals that the client gets, and tells it how its fork ended."""

    def __init__(self, path: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(path)
        self._listener.listen()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._owner = os.getppid()
        self._forks = 0
        self._usable = _import_libraries()  # who asks meanwhile waits no longer than it would take itself

    def serve(self) -> _Request | None:
        """Serve until the owner is gone and all forks have ended; in a fork, returns the request it is to answer."""
        while self._forks or os.getppid() == self._owner:
            for key, _ in self._selector.select(_OWNER_CHECK_S):
                if key.fileobj is self._listener:
                    if (request := self._accept()) is not None:
                        return request
                elif isinstance(key.fileobj, socket.socket):
                    self._hear(key.data)
                else:
                    self._reap(key.data)
        return None

    def _accept(self) -> _Request | None:
        client, _ = self._listener.accept()
        message, streams, _, _ = socket.recv_fds(client, _MAX_REQUEST, 3)
        request = _Request(**json.loads(message), streams=streams) if len(streams) == 3 else None
        fits = request is not None and request.prefix == os.path.realpath(sys.prefix)
        if request is None or not fits or not self._usable:
            client.close()  # which tells it that there will be no fork
        elif pid := os.fork():
            self._watch(_Fork(pid, os.pidfd_open(pid), client))
        else:
            client.close()
            self._forget()
            return request
        for stream in streams:
            os.close(stream)
        return None

    def _watch(self, fork: _Fork) -> None:
        self._forks += 1
        self._selector.register(fork.client, selectors.EVENT_READ, fork)
        self._selector.register(fork.ended, selectors.EVENT_READ, fork)
        with suppress(OSError):  # the client is gone: it will be heard of
            fork.client.send(STARTED)

    def _hear(self, fork: _Fork) -> None:
        """A signal to hand on; or the client was killed, and DVC believes that the stage was."""
        try:
            message = fork.client.recv(1)
        except OSError:
            message = b""
        if not message:
            self._selector.unregister(fork.client)
        fork.signal(message[0] if message else signal.SIGKILL)

    def _reap(self, fork: _Fork) -> None:
        _, status = os.waitpid(fork.pid, 0)
        with suppress(OSError):
            fork.client.send(str(os.waitstatus_to_exitcode(status)).encode())
        self._selector.unregister(fork.ended)
        os.close(fork.ended)
        with suppress(KeyError):
            self._selector.unregister(fork.client)
        fork.client.close()
        self._forks -= 1

    def _forget(self) -> None:
        """In a fork: close what is the server's, and end with it."""
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
        for key in self._selector.get_map().values():
            os.close(key.fd)
        self._selector.close()


def _import_libraries() -> bool:
    """Import what takes stages seconds; returns whether a fork can use it: it can use no accelerator."""
    gc.disable()
    import torch

    if torch.accelerator.is_available():
        return False
    from prefect import Flow, get_client  # noqa: F401  # naming them is what imports them
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401
    from trl import DPOConfig, DPOTrainer  # noqa: F401

    gc.enable()
    gc.freeze()  # forks then neither visit nor free what they share: ending one takes 0.4 s instead of 1.9
    return True


def main() -> None:
    """Serve at the socket that the command line names."""
    set_up_libraries()
    request = _Server(sys.argv[1]).serve()
    if request is not None:
        request.take_over()


if __name__ == "__main__":
    main()
