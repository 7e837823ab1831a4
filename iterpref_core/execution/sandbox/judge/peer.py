"""Peers: the two ends of the conversation between a judge and its program.

The judge asks and the program answers. A program asks nothing, and is told nothing but what it is called with.

    judge    "ask"     ["call", [f, [1, 2]], [], [], 0]   f([1, 2])
    program  "answer"  [[[0, [1, 2, 3]]], null]           f has appended to its argument, container 0, and returned None

The judge does not trust the program: all that arrives is data.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ...codec.crossing import Codec, dumps, loads
from ...kinds.reports import NOT_JUDGED, UNREADABLE
from .objects import Originals, StandIns
from .proxies import OPERATIONS
from .wire import MAX_FRAME, Wire, WireClosedError

_NESTING = 12_000
"""Calls of Python's for which there is room when a value is written or read: each level of nesting takes three."""
_UNSENDABLE = (RecursionError, OverflowError, MemoryError, ValueError, TypeError)
_set_limit = sys.setrecursionlimit  # before a test can put something in its place


class ProgramLostError(BaseException):
    """The test cannot go on: the program has ended or has sent no proper message, or the judge has no means."""


@contextlib.contextmanager
def _room() -> Iterator[None]:
    """Give more room for calls within calls, whatever limit a test or a program has set."""
    limit = sys.getrecursionlimit()
    _set_limit(limit + _NESTING)
    try:
        yield
    finally:
        _set_limit(limit)


def _why(error: Exception) -> str:
    """Return why a value cannot cross."""
    if isinstance(error, OverflowError):
        return f"a value takes more than {MAX_FRAME >> 20} MiB"
    if isinstance(error, RecursionError):
        return "a value is nested too deeply"
    return str(error)


class Judge:
    """The judge's end.

    Args:
        wire: leads to the program.

    Attributes:
        lost: why the test cannot go on; empty while it can.
        after_receiving: called when a message has come.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._codec = Codec(StandIns())
        self.lost = ""
        self.after_receiving: Callable[[], None] = lambda: None

    def _lose(self, why: str) -> None:
        self.lost = self.lost or why
        raise ProgramLostError(self.lost)

    def ask(self, op: str, /, *args: Any, **named: Any) -> Any:
        """Have the program do something; return its result, or raise its exception.

        Raises:
            ProgramLostError: the test cannot go on.
        """
        if self.lost:
            raise ProgramLostError(self.lost)
        try:
            with _room():
                self._wire.send("ask", self._request(op, args, named))
            kind, text = self._wire.receive()
        except _UNSENDABLE as error:
            self._lose(NOT_JUDGED + _why(error))
        except WireClosedError as error:
            self._lose(str(error))
        self.after_receiving()
        try:
            with _room():
                value = self._answer(kind, text)
        except ProgramLostError:
            raise
        except Exception:  # noqa: BLE001 - whatever it is that cannot be read
            self._lose("tampered")
        if kind == "raise":
            raise value
        return value

    def _request(self, op: str, args: tuple[Any, ...], named: dict[str, Any]) -> str:
        codec = self._codec
        oldest = codec.oldest()
        codec.forget(oldest)
        given = [codec.tree(arg) for arg in args]
        pairs = [[key, codec.tree(value)] for key, value in named.items()]
        text = dumps([op, given, pairs, codec.changes(), oldest])
        codec.settle()
        return text

    def _answer(self, kind: str, text: str) -> Any:
        if kind == "cannot":
            self._lose(UNREADABLE + str(loads(text)))
        changes, tree = loads(text)
        self._codec.heed(changes)
        value = self._codec.value(tree)
        self._codec.settle()
        if kind != "answer" and not (kind == "raise" and isinstance(value, BaseException)):
            raise TypeError("no answer")
        return value


class Program:
    """The program's end.

    Args:
        wire: leads to the judge.

    Attributes:
        objects: that the judge knows by their handles.
        operations: what the judge may ask for, by name.
        before_sending: called before each message.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.objects = Originals()
        self._codec = Codec(self.objects)
        self.operations: dict[str, Callable[..., Any]] = dict(OPERATIONS)
        self.before_sending: Callable[[], None] = lambda: None

    def serve_next(self) -> None:
        """Wait for the next request, and answer it."""
        codec = self._codec
        _, text = self._wire.receive()
        with _room():
            op, trees, pairs, changes, oldest = loads(text)
            codec.forget(oldest)
            args = [codec.value(tree) for tree in trees]
            named = {key: codec.value(tree) for key, tree in pairs}
            codec.heed(changes)
            codec.settle()
        try:
            kind, result = "answer", self.operations[op](*args, **named)
        except BaseException as error:  # noqa: BLE001 - it is what the judge is told
            kind, result = "raise", error
        self.before_sending()
        try:
            with _room():
                answer = dumps([codec.changes(), codec.tree(result)])
                codec.settle()
                self._wire.send(kind, answer)
        except _UNSENDABLE as error:
            self._wire.send("cannot", dumps(_why(error)))
