"""Both sides of a judged program, which a zygote imports when the first one comes."""

import os
import pickle
import sys
from typing import Any

from ...isolation.pid_namespace import connect
from . import program, session
from .peer import Judge, Program
from .wire import Wire

LOST = session.LOST


def serve_program(job: dict[str, Any], descriptor: int) -> None:
    """Be the program, and answer the judge at the other end of a connection until it is done; never returns."""
    program.serve_program(job, Program(Wire(descriptor)))


def run_judge(raw: bytes, report: session.Report, descriptor: int, printed: tuple[int, int], folder: str) -> int:
    """Be the judge of the program at the other end of a connection; return the exit status, see `session.run_judge`."""
    return session.run_judge(raw, report, Judge(Wire(descriptor)), printed, folder)


class _OneProcess(Wire):
    """The judge's end in a process that is both sides: before the judge reads, the program answers."""

    def __init__(self, descriptor: int, program: Program) -> None:
        super().__init__(descriptor)
        self._program = program

    def receive(self) -> tuple[str, str]:
        self._program.serve_next()
        return super().receive()


def rehearse(times: int) -> None:
    """Have both sides judge a program of this module's own, some times; see `zygote.rehearse`.

    The second of its tests fails. What a judge changes in its process is undone.
    """
    both = {"modules": ["solution"], "eager": True}
    program_job = both | {"setup": "", "code": "def f(x):\n    return x[1:]\n"}
    steps = [("assert", "x = f([1, 2])\nassert x == [2]"), ("assert", "assert f([1]) == 1")]
    raw = pickle.dumps(both | {"steps": steps, "imports": (), "functions": {}, "key": b"key"})
    kept = {name: list(getattr(sys, name)) for name in ("meta_path", "path_hooks")}
    limit, digits = sys.getrecursionlimit(), sys.get_int_max_str_digits()
    null = os.open(os.devnull, os.O_RDONLY)
    for _ in range(times):
        ours, theirs = connect()
        solution = Program(Wire(theirs))
        program.make_ready(program_job, solution)
        judge = Judge(_OneProcess(ours, solution))
        session.run_judge(raw, lambda *_: None, judge, (null, null), os.devnull)
        os.close(ours)
        os.close(theirs)
        for name, value in kept.items():
            setattr(sys, name, list(value))
        sys.setrecursionlimit(limit)
        sys.set_int_max_str_digits(digits)
    os.close(null)
    for name in ("solution", "test_solution"):
        sys.modules.pop(name, None)
