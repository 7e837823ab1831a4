"""Wire: frames of text between a judge and a program, over an anonymous pair of sockets.

A frame has two lines: a word that says what it is, and a value as JSON. Nothing else is ever read from it: no pickle,
no code. A frame that is longer than `MAX_FRAME` is not read at all.
"""

import functools
import os

from ...frames import framed, read_frame, write_all

MAX_FRAME = 32 << 20
"""Bytes of one frame."""


class WireClosedError(Exception):
    """The other side is gone, or has written no frame."""


class Wire:
    """One end of the connection.

    Args:
        descriptor: of the socket.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._read = functools.partial(os.read, descriptor)

    def send(self, header: str, value: str) -> None:
        """Send a frame.

        Raises:
            OverflowError: it is too long.
            WireClosedError: the other side is gone.
        """
        # f(2), f having handle 7: <length>ask and on the next line ["call",[{"y":7},2],{"d":[]}]
        data = f"{header}\n{value}".encode()
        if len(data) > MAX_FRAME:
            raise OverflowError("the value is too large")
        try:
            write_all(self._descriptor, framed(data))
        except OSError as error:
            raise WireClosedError(str(error)) from None

    def receive(self) -> tuple[str, str]:
        """Wait for a frame; return its header and the text of its value.

        Raises:
            WireClosedError: the other side is gone, or has written no frame.
        """
        try:
            header, _, value = read_frame(self._read, MAX_FRAME).decode().partition("\n")
        except (OSError, EOFError, ValueError) as error:
            raise WireClosedError(str(error) or "the end") from None
        return header, value
