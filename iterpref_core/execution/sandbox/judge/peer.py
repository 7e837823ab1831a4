"""Peers: the two ends of the conversation between a judge and its program.

The judge asks and the program answers. A program asks nothing, and is told nothing but what it is called with.

    judge    ask      ["call", [f, [1, 2]], {}]   f([1, 2])
    program  answer   3                           f has returned 3

The judge does not trust the program: all that arrives is data.
"""

import sys
from collections.abc import Callable
from typing import Any

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


def _with_room(function: Callable[[Any], Any], value: Any) -> Any:
    """Return the result of a function that has more room for calls within calls, whatever limit a test has set."""
    limit = sys.getrecursionlimit()
    _set_limit(limit + _NESTING)
    try:
        return function(value)
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
        self._objects = StandIns()
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
            self._wire.send("ask", _with_room(self._objects.text, [op, list(args), named]))
            kind, text = self._wire.receive()
        except _UNSENDABLE as error:
            self._lose(NOT_JUDGED + _why(error))
        except WireClosedError as error:
            self._lose(str(error))
        self.after_receiving()
        try:
            value = _with_room(self._objects.read, text)
        except Exception:  # noqa: BLE001 - whatever it is that cannot be read
            self._lose("tampered")
        if kind == "cannot":
            self._lose(UNREADABLE + str(value))
        if kind == "raise" and isinstance(value, BaseException):
            raise value
        if kind != "answer":
            self._lose("tampered")
        return value


class Program:
    """The program's end.

    Args:
        wire: leads to the judge.

    Attributes:
        objects: that the judge knows by their handles.
        operations: what the judge may ask for besides `OPERATIONS`, by name.
        before_sending: called before each message.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.objects = Originals()
        self.operations: dict[str, Callable[..., Any]] = {}
        self.before_sending: Callable[[], None] = lambda: None

    def serve_next(self) -> None:
        """Wait for the next request, and answer it."""
        _, text = self._wire.receive()
        op, args, named = _with_room(self.objects.read, text)
        try:
            kind, result = "answer", (self.operations.get(op) or OPERATIONS[op])(*args, **named)
        except BaseException as error:  # noqa: BLE001 - it is what the judge is told
            kind, result = "raise", error
        self.before_sending()
        try:
            self._wire.send(kind, _with_room(self.objects.text, result))
        except _UNSENDABLE as error:
            self._wire.send("cannot", self.objects.text(_why(error)))
