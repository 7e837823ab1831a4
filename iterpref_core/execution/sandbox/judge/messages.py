"""Messages: the threads of a conversation between a judge and a program over one wire.

Every message begins with the number of its thread. A side has a queue for each, and one reader at a time:

    [0, "ask", ...]  to the program   its main thread serves it
    [2, "ask", ...]  to the program   a thread that the test has started; the program starts one that serves it
    [2, "answer", ...]  back          whoever reads puts it into queue 2, where the test's thread waits
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ...codec.plain import dumps
from .wire import Wire, WireClosedError

_MAX_THREADS = 64
"""Threads of the other side that this one serves."""


class ProgramLostError(BaseException):
    """The program has ended, or has sent no proper message; the test cannot go on."""


class Messages:
    """The sending and receiving of messages, by any number of threads.

    Args:
        first_thread: number of the first thread that this side starts besides the main one; each further one adds 2.

    Attributes:
        lost: why the other side is gone; empty while it is there.
        before_sending, after_receiving: called around messages.
    """

    _wire: Wire

    def __init__(self, first_thread: int) -> None:
        self.lost = ""
        self.before_sending: Callable[[], None] = lambda: None
        self.after_receiving: Callable[[], None] = lambda: None
        self._turn = threading.Condition(threading.Lock())
        self._sending = threading.Lock()
        # Held from writing a value down to sending it. Otherwise thread 2 writes `Point` for the first time, thread 4
        # takes the description of `Point` along, and the message of thread 2, sent before that of 4, lacks it.
        self._outgoing = threading.RLock()
        self._queues: dict[int, deque[tuple[Any, str]]] = {0: deque()}
        self._reading = False
        self._has_reader = False
        self._thread = threading.local()
        self._thread.number = 0
        self._next_thread = first_thread

    def connect(self, wire: Wire) -> None:
        """Take the wire to the other side."""
        self._wire = wire

    def _serve(self, number: int, header: Any, values: str) -> None:
        """Answer a message that asks."""
        raise NotImplementedError

    def _heed(self, header: list[Any]) -> None:
        """Learn the definitions in a message, which are for all threads."""
        raise NotImplementedError

    def lose(self, why: str) -> None:
        """Note that the other side is gone, once."""
        with self._turn:
            self.lost = self.lost or why
            self._turn.notify_all()

    def serve(self) -> None:
        """Answer all that is asked in this thread, until the other side is gone."""
        while True:
            self.serve_next()

    def serve_next(self) -> None:
        """Wait for the next request to this thread, and answer it."""
        number = self._my_number()
        header, values = self._next(number)
        self._serve(number, header, values)

    def _my_number(self) -> int:
        number = getattr(self._thread, "number", None)
        if number is None:
            with self._turn:
                number = self._thread.number = self._next_thread
                self._next_thread += 2
                self._queues[number] = deque()
        return int(number)

    def _send(self, header: list[Any], values: str) -> None:
        self.before_sending()
        if self.lost:
            raise ProgramLostError(self.lost)
        try:
            with self._sending:
                self._wire.send(dumps(header), values)
        except WireClosedError as error:
            self.lose(str(error))
            raise ProgramLostError(self.lost) from None

    def _next(self, number: int) -> tuple[Any, str]:
        """Wait for the next message of a thread; if no other thread is reading, this one reads for all."""
        # Threads 0 and 2 both wait; 0 reads the wire. A message for 2 arrives: 0 puts it into the queue of 2, wakes
        # all, and reads on if nothing has come for itself.
        while True:
            with self._turn:
                while not self._queues[number] and self._reading and not self.lost:
                    self._turn.wait()
                if self._queues[number]:
                    return self._queues[number].popleft()
                if self.lost:
                    raise ProgramLostError(self.lost)
                self._reading = True
            message = self._read()
            with self._turn:
                self._reading = False
                if message is not None:
                    self._deliver(message)
                self._turn.notify_all()

    def _read(self) -> tuple[Any, str] | None:
        try:
            header, values = self._wire.receive()
            self.after_receiving()
            # An answer has three parts and a request seven; each begins with the number of its thread.
            if type(header) is not list or len(header) not in (3, 7) or type(header[0]) is not int:
                raise WireClosedError("no message")
            # Heeded by whoever reads, in the order of the wire: the message to thread 2 describes `Point`, that to
            # thread 4 only names `Point`, and thread 4 may be the first to wake.
            self._heed(header)
            return header, values
        except (WireClosedError, LookupError, ProgramLostError) as error:
            self.lost = self.lost or str(error) or "no message"
            return None

    def _deliver(self, message: tuple[Any, str]) -> None:
        number, kind, *_ = message[0]
        if number not in self._queues:
            if kind != "ask" or len(self._queues) > _MAX_THREADS:
                self.lost = self.lost or "an answer to nothing"
                return
            self._queues[number] = deque()
            server = threading.Thread(target=self._serve_thread, args=(number,), daemon=True)
            server.start()
        self._queues[number].append(message)

    def _serve_thread(self, number: int) -> None:
        self._thread.number = number
        try:
            self.serve()
        except ProgramLostError:
            return

    def _start_reader(self) -> None:
        """Read also while the main thread is busy: the other side has more than one."""
        with self._turn:
            if self._has_reader:
                return
            self._has_reader = True
            self._queues[-1] = deque()

        def read() -> None:
            self._thread.number = -1
            try:
                self.serve()
            except ProgramLostError:
                return

        threading.Thread(target=read, daemon=True).start()
