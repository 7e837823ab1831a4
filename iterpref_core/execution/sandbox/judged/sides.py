"""Both sides of a judged program, which a zygote imports when the first one comes.

Its processes are copies of the zygote, each with one of the two peers.
"""

from typing import Any

from . import judge, program
from .peer import Peer, make_peers
from .wire import Wire

_PROGRAM, _JUDGE = make_peers()
LOST = judge.LOST


def _connected(peer: Peer, descriptor: int) -> Peer:
    peer.connect(Wire(descriptor))
    return peer


def serve_program(job: dict[str, Any], connection: int) -> None:
    """Be the program, and answer the judge at the other end of a connection until it is done; never returns."""
    program.serve_program(job, _connected(_PROGRAM, connection))


def run_judge(raw: bytes, report: judge.Report, connection: int, printed: tuple[int, int], folder: str) -> int:
    """Be the judge of the program at the other end of a connection; return the exit status, see `judge.run_judge`."""
    return judge.run_judge(raw, report, _connected(_JUDGE, connection), printed, folder)
