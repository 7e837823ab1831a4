"""Console programs: what one reads on standard input, what it prints on standard output.

Files stand behind both, not objects of Python's, so that `input()`, `sys.stdin.buffer`, `os.read(0, …)` and
`os.write(1, …)` are the same to the program as on a real console.
"""

import os
import sys
import threading

from .encoding import encode

MAX_PRINTED = 8 << 20
"""Bytes beyond which what was printed is passed on as its size alone."""

_PIECE = 1 << 20


class Console:
    """Standard input holds a text from now on; what is printed from now on is collected; standard error goes nowhere.

    Args:
        stdin: what the program can read.
    """

    def __init__(self, stdin: str) -> None:
        file = os.open(".stdin", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.unlink(".stdin")
        data = memoryview(stdin.encode("utf-8", "surrogatepass"))
        while data:
            data = data[os.write(file, data) :]
        os.lseek(file, 0, os.SEEK_SET)
        os.dup2(file, 0)
        os.close(file)
        os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
        self._output = os.dup(1)  # the program may close its own
        self._start = os.lseek(self._output, 0, os.SEEK_END)
        # No other encoding than the one in which the input was written, and no line ends but those that it has.
        sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115

    def printed(self) -> str:
        """What was printed, encoded; or its size, where that is beyond `MAX_PRINTED`."""
        for stream in (sys.stdout, sys.__stdout__):
            try:
                stream.flush()  # type: ignore[union-attr]
            except BaseException:  # noqa: BLE001 - closed, or an object of the program's own: it may raise anything
                continue
        size = os.lseek(self._output, 0, os.SEEK_END) - self._start
        if size > MAX_PRINTED:
            return f"#{size}:"
        data = b"".join(os.pread(self._output, _PIECE, self._start + at) for at in range(0, size, _PIECE))
        return encode(data.decode("utf-8", "replace"))


def wait_for_threads() -> None:
    """What the interpreter does at the end of a script: the threads that are no daemons may finish."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
