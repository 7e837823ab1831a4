"""Both sides of a judged program, which a zygote imports when the first one comes.

Its processes are copies of the zygote, each with one of the two connections.
"""

from typing import Any

from . import program, session
from .connection import Connection, make_connections
from .wire import Wire

_PROGRAM, _JUDGE = make_connections()
LOST = session.LOST


def _connected(connection: Connection, descriptor: int) -> Connection:
    connection.connect(Wire(descriptor))
    return connection


def serve_program(job: dict[str, Any], descriptor: int) -> None:
    """Be the program, and answer the judge at the other end of a connection until it is done; never returns."""
    program.serve_program(job, _connected(_PROGRAM, descriptor))


def run_judge(raw: bytes, report: session.Report, descriptor: int, printed: tuple[int, int], folder: str) -> int:
    """Be the judge of the program at the other end of a connection; return the exit status, see `session.run_judge`."""
    return session.run_judge(raw, report, _connected(_JUDGE, descriptor), printed, folder)
