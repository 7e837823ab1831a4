"""Peer: one end of the conversation between a judge and its program.

Either side asks and answers; while it waits for an answer it may be asked itself, as when the program calls a function
of the test. There is one conversation; threads of the program take turns:

    judge    "ask"     ["call", [f, [1, 2]], [], []]   f([1, 2])
    program  "answer"  [[[0, [1, 2, 3]]], null]        f has appended to its argument, container 0, and returned None

The judge does not trust the program: all that arrives is data, and `permission` says what a program may ask.
"""

import sys
from _thread import RLock
from collections.abc import Callable
from typing import Any

from ...codec.crossing import Codec, loads
from ...codec.plain import dumps
from ...kinds.reports import NOT_JUDGED
from . import permission
from .objects import Objects
from .proxies import OPERATIONS, Proxy, ProxyClass
from .wire import MAX_FRAME, Wire, WireClosedError

_NESTING = 12_000
"""Calls of Python's for which there is room when a value is written or read: each level of nesting takes three."""
_FRAMES = 25
"""Calls of Python's that this module takes for a request within a request."""
_MAX_DEPTH = 1000
"""Requests within requests for which there is such room: as many as a program may have calls of its own."""
TOO_LONG = f"a value takes more than {MAX_FRAME >> 20} MiB"
_UNSENDABLE = (RecursionError, OverflowError, MemoryError, ValueError, TypeError)
_set_limit = sys.setrecursionlimit  # a judge puts a function of its own in its place


class ProgramLostError(BaseException):
    """The test cannot go on: the program has ended or has sent no proper message, or the judge has no means."""


class Peer:
    """One side of the conversation.

    Args:
        is_judge: this is the judge's side, which trusts nothing.

    Attributes:
        objects: that cross by reference.
        operations: what the other side may ask for, by name.
        lost: why the test cannot go on; empty while it can.
        caught: assertions of this side that have failed while the program could catch the error.
        before_sending, after_receiving: called around messages.
    """

    def __init__(self, *, is_judge: bool) -> None:
        self.is_judge = is_judge
        self.objects = Objects(self, is_judge=is_judge)
        self.operations: dict[str, Callable[..., Any]] = dict(OPERATIONS)
        self.codec = Codec(self.objects)
        self._depth = 0
        # Held by the thread that talks; free while a function runs, which may have threads that ask.
        self._turn: Any = RLock()
        self.lost = ""
        self.caught: list[BaseException] = []
        self.before_sending: Callable[[], None] = lambda: None
        self.after_receiving: Callable[[], None] = lambda: None
        self._class_names: dict[int, set[str]] = {}
        self._wire: Wire

    def connect(self, wire: Wire) -> "Peer":
        """Take the wire to the other side."""
        self._wire = wire
        return self

    # What an object of the program may decide

    def name_class(self, kind: Any, name: str) -> None:
        """Note under which name a test has found a class of the program."""
        self._class_names.setdefault(kind.iterpref_class, set()).add(name)

    def is_under_test(self, kind: Any) -> bool:
        """Tell whether objects of a class are what is tested: it is called as classes are, not as functions."""
        names = self._class_names.get(kind.iterpref_class, set())
        return bool(names) and all(name.lstrip("_")[:1].isupper() for name in names)

    def may_decide(self, other: Any) -> bool:
        """Tell whether an object of the other side may decide a comparison with a value: another such object."""
        return not self.is_judge or isinstance(type(other), ProxyClass) or type(other) is ProxyClass

    def may_compute(self, proxy: Any, other: Any) -> bool:
        """Tell whether an object of the other side may compute with a value."""
        return proxy.iterpref_made or self.may_decide(other)

    def give_up_if_defined(self, proxy: Any, method: str, does: str) -> None:
        """End the test as not judged if an object would, by a method of its own, decide about a plain value."""
        if self.ask("defines", proxy, method):
            self.lose(f"{NOT_JUDGED}an object of {type(proxy).__name__} {does} with a plain value")

    def note_assertion(self, error: BaseException) -> None:
        """Note an error that the program may catch, if an assertion of the test has failed."""
        if permission.is_assertion(error):
            self.caught.append(error)

    # Messages

    def lose(self, why: str) -> None:
        """End the test.

        Raises:
            ProgramLostError: always.
        """
        self.lost = self.lost or why
        raise ProgramLostError(self.lost)

    def _send(self, kind: str, values: str) -> None:
        self.before_sending()
        if self.lost:
            raise ProgramLostError(self.lost)
        try:
            self._wire.send(dumps(kind), values)
        except WireClosedError as error:
            self.lose(str(error))

    def _receive(self) -> tuple[str, str]:
        try:
            kind, values = self._wire.receive()
            self.after_receiving()
        except WireClosedError as error:
            self.lose(str(error))
        if kind == "cannot":
            self.lose(NOT_JUDGED + TOO_LONG)
        if kind not in ("ask", "answer", "raise"):
            self.lose("no message")
        return kind, values

    def _cannot_send(self, error: BaseException) -> None:
        """End the test, on whichever side: a value cannot cross."""
        why = f"a value cannot cross: {error}"
        if isinstance(error, OverflowError):
            why = TOO_LONG
        elif isinstance(error, RecursionError):
            why = "a value is nested too deeply"
        if not self.is_judge:
            self._send("cannot", "")
        self.lose(NOT_JUDGED + why)

    def ask(self, op: str, /, *args: Any, **named: Any) -> Any:
        """Have the other side do something; return its result, or raise its exception.

        Raises:
            ProgramLostError: the test cannot go on.
        """
        tree = self.codec.tree

        def request() -> Any:
            given = [tree(arg) for arg in args]
            return [op, given, [[key, tree(named[key])] for key in named], self.codec.updates()]

        with self._turn:
            if not self._depth:
                self.codec.begin()
            try:
                with _Deeper(_NESTING):
                    self._send("ask", self.codec.text(request))
            except _UNSENDABLE as error:
                self._cannot_send(error)
            self._depth += 1
            try:
                return self._answered()
            finally:
                self._depth -= 1

    def _answered(self) -> Any:
        """Wait for the answer to a request, and serve what is asked meanwhile."""
        while True:
            kind, text = self._receive()
            if kind == "ask":
                self._serve(text)
                continue
            with _Reading(self), _Deeper(_NESTING):
                updates, tree = loads(text)
                self.codec.heed(updates)
                value = self.codec.value(tree)
                self.codec.settle()
                if kind == "raise" and not isinstance(value, BaseException):
                    raise TypeError("no exception")
            if kind == "raise":
                raise value
            if isinstance(value, Proxy):
                object.__setattr__(value, "iterpref_made", False)  # whatever it was, it has been returned
            return value

    def serve(self) -> None:
        """Answer all that is asked, until the other side is gone."""
        while True:
            self.serve_next()

    def serve_next(self) -> None:
        """Wait for the next request, and answer it."""
        with self._turn:
            kind, text = self._receive()
            if kind != "ask":
                self.lose("an answer to nothing")
            self._serve(text)

    def _serve(self, text: str) -> None:
        if not self._depth:
            self.codec.begin()
        with _Reading(self), _Deeper(_NESTING):
            op, trees, pairs, updates = loads(text)
            args = [self.codec.value(tree) for tree in trees]
            named = {str(key): self.codec.value(tree) for key, tree in pairs}
            self.codec.heed(updates)
            self.codec.settle()
            function = self.operations[op]
        self._depth += 1
        # A function of the test and one of the program that call each other may do so as deeply as two of one process.
        with _Deeper(_FRAMES if self._depth < _MAX_DEPTH else 0):
            kind, result = self._outcome(op, function, args, named)
        self._depth -= 1
        try:
            with _Deeper(_NESTING):
                self._send(kind, self.codec.text(lambda: [self.codec.updates(), self.codec.tree(result)]))
        except OverflowError as error:
            self._cannot_send(error)
        except _UNSENDABLE as error:
            if self.is_judge:
                self._cannot_send(error)
            if kind == "raise":
                result = TypeError(f"the exception cannot cross: {error}")
                self._send(kind, self.codec.text(lambda: [[], self.codec.tree(result)]))
            else:  # a value too deep to cross is an object in the test, and equals none of the test's
                self._send(kind, dumps([[], self.objects.reference(result)]))

    def _outcome(
        self, op: str, function: Callable[..., Any], args: list[Any], named: dict[str, Any]
    ) -> tuple[str, Any]:
        """Return the kind of an answer, and the result or the exception that it holds."""
        try:
            if self.is_judge:
                permission.check(op, args, self.objects.test_modules)
            held = self._turn._release_save()  # noqa: SLF001 - however often this thread holds the lock
            try:
                return "answer", function(*args, **named)
            finally:
                self._turn._acquire_restore(held)  # noqa: SLF001
        except ProgramLostError:
            raise
        except permission.RefusedError as error:
            self.lose(f"{NOT_JUDGED}{error}")
            raise
        except BaseException as error:  # noqa: BLE001 - it is what the other side is told
            if self.is_judge:
                self.note_assertion(error)
            return "raise", error


class _Deeper:
    """More room for calls within calls, whatever limit a test or a program has set."""

    def __init__(self, calls: int) -> None:
        self._calls = calls

    def __enter__(self) -> None:
        self._before = sys.getrecursionlimit()
        _set_limit(self._before + self._calls)

    def __exit__(self, *_: object) -> None:
        if sys.getrecursionlimit() == self._before + self._calls:  # else it has been set meanwhile
            _set_limit(self._before)


class _Reading:
    """The reading of a message; on the judge's side, one that cannot be read ends the test."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, _trace: Any) -> None:
        if error is None or isinstance(error, ProgramLostError) or not self._peer.is_judge:
            return
        self._peer.lost = self._peer.lost or "tampered"
        raise ProgramLostError("tampered") from error
