"""Hands the steps of a program's tests to its process one turn after the other.

A process that knew a later step could learn a right answer: `assert f(3) == 777`, then `assert g(777) == 777`. The
zygote keeps all steps, and shows the next ones when the reports so far are complete and out of the program's reach. A
program gains nothing if it asks too early, or writes a report itself: it claims a value that it could also return.
"""

import contextlib
import os
from collections.abc import Iterator

from ..frames import LENGTH
from ..isolation.pid_namespace import connect


def _copy(source: int, target: int, start: int, end: int) -> int:
    """Copy a part of a file to another one's end; return where the part ends. The kernel does it, not this memory."""
    while start < end:
        sent = os.sendfile(target, source, start, end - start)
        if not sent:  # the program has cut its file
            break
        start += sent
    return start


class Turns:
    """The zygote's side.

    Args:
        channel: the file that the program writes its reports to.

    Attributes:
        steps: file of a frame for each turn; the child fills it before it runs the program.
        shown: file of the steps whose turn has come.
        reports: file of the reports, which the program cannot change any more.
        ours: end of the connection by which the child asks.
        theirs: its other end.
    """

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self.steps = os.memfd_create("steps")
        self.shown = os.memfd_create("shown")
        self.reports = os.memfd_create("reports")
        self.ours, self.theirs = connect()
        # A program that asks and never reads the answers must not stop the zygote.
        os.set_blocking(self.ours, False)
        self._kept = 0
        self._given = 0

    def keep(self) -> None:
        """Copy the reports that are new."""
        self._kept = _copy(self._channel, self.reports, self._kept, os.fstat(self._channel).st_size)

    def give(self) -> bool:
        """Show the steps of the next turn if the child asks for them in its turn; return False if it asks no more."""
        with contextlib.suppress(OSError):
            if not os.read(self.ours, 64):
                return False
            before = self._kept
            self.keep()
            if self._kept == before or os.pread(self.reports, 1, self._kept - 1) != b"\n":
                return True
            head = os.pread(self.steps, LENGTH.size, self._given)
            if head:
                start = self._given + LENGTH.size
                self._given = _copy(self.steps, self.shown, start, start + LENGTH.unpack(head)[0])
            os.write(self.ours, b"!")
            return True
        return False

    def close(self) -> None:
        """Close all files."""
        for descriptor in (self.steps, self.shown, self.reports, self.ours, self.theirs):
            os.close(descriptor)


def asked(connection: int, shown: int) -> Iterator[bytes]:
    """Yield the steps of each turn, in the child.

    Args:
        connection: to the zygote.
        shown: the file of the steps.
    """
    start = 0
    while True:
        os.write(connection, b"?")
        os.read(connection, 1)
        steps = os.pread(shown, os.fstat(shown).st_size - start, start)
        if not steps:
            return
        yield steps
        start += len(steps)
