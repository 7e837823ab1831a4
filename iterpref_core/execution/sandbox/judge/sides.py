"""Both sides of a judged program, which a zygote imports when the first one comes."""

import os
from typing import Any

from ...isolation.pid_namespace import connect
from . import program, session
from .peer import Peer
from .wire import Wire

LOST = session.LOST


def serve_program(job: dict[str, Any], descriptor: int) -> None:
    """Be the program, and answer the judge at the other end of a connection until it is done; never returns."""
    program.serve_program(job, Peer(is_judge=False).connect(Wire(descriptor)))


def run_judge(raw: bytes, report: session.Report, descriptor: int, printed: tuple[int, int], folder: str) -> int:
    """Be the judge of the program at the other end of a connection; return the exit status, see `session.run_judge`."""
    return session.run_judge(raw, report, Peer(is_judge=True).connect(Wire(descriptor)), printed, folder)


class _OneProcess(Wire):
    """The judge's end in a process that is both sides: before the judge reads, the program answers."""

    def __init__(self, descriptor: int, program: Peer) -> None:
        super().__init__(descriptor)
        self._program = program

    def receive(self) -> tuple[Any, str]:
        self._program.serve_next()
        return super().receive()


def rehearse(times: int) -> None:
    """Have both sides talk about a program of this module's own, some times; see `zygote.rehearse`."""

    def double(x: Any) -> Any:
        return x + x

    for _ in range(times):
        ours, theirs = connect()
        solution = Peer(is_judge=False).connect(Wire(theirs))
        solution.operations["load"] = lambda _: {"double": double}
        judge = Peer(is_judge=True).connect(_OneProcess(ours, solution))
        names = judge.ask("load", "solution")
        for value in (1, [1, 2]):
            names["double"](value)
        os.close(ours)
        os.close(theirs)
