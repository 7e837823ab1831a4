"""Frames: bytes with their length before them. All processes of the engine talk in them.

    supervisor -> zygote     the configuration (JSON), then for each job:
                               its head (`JobHead`), all that the zygote reads of a job
                               standard input and a pickle, read by the program's process alone
                               a pickle of the tests, read by the judge's process alone, if there is one
    zygote -> supervisor     that it is ready (JSON), then for each job:
                               the head of the answer (`AnswerHead`)
                               the beginning of the output
                               the reports
    judge <-> program        a header and values (JSON), see `sandbox.judge.wire`

Only the supervisor's pickles are unpickled, in a process that is restricted by then.
"""

import os
import struct
from collections.abc import Callable
from typing import NamedTuple

LENGTH = struct.Struct("=I")
"""The length before a frame."""
_JOB = struct.Struct("=dddqq??")
_ANSWER = struct.Struct("=bqdqq?")
_LIMITS = ("", "cpu", "test", "wall", "disk", "processes")
_CHUNK = 1 << 20
_write = os.write  # a test, and a program, may put a function of its own in its place


class FrameTooLongError(ValueError):
    """A frame that is longer than a reader takes."""


class JobHead(NamedTuple):
    """The head of a job.

    Attributes:
        cpu_s: CPU seconds for all tests.
        wall_s: real seconds for all tests.
        test_cpu_s: CPU seconds for each test.
        keep: for a script, the bytes of standard output to return; else -1.
        stdin_bytes: the size of standard input.
        is_judged: a judge is beside the program.
        pytest: the tests may need pytest.
    """

    cpu_s: float
    wall_s: float
    test_cpu_s: float
    keep: int
    stdin_bytes: int
    is_judged: bool
    pytest: bool

    def pack(self) -> bytes:
        """Return the head as a frame's bytes."""
        return _JOB.pack(*self)

    @classmethod
    def unpack(cls, data: bytes) -> "JobHead":
        """Return the head in a frame's bytes."""
        return cls(*_JOB.unpack(data))


class AnswerHead(NamedTuple):
    """The head of the answer to a job: what the zygote has seen of the program from outside.

    Attributes:
        killed: the limit that the program has hit: `cpu`, `test`, `wall`, `disk` or `processes`; "" for none.
        exit: its exit status, negative for a signal.
        cpu_s: CPU seconds.
        printed: bytes printed.
        judge: exit status of the judge beside it; 0 where there was none.
        worn: the zygote takes no further job.
    """

    killed: str
    exit: int
    cpu_s: float
    printed: int
    judge: int
    worn: bool

    def pack(self) -> bytes:
        """Return the head as a frame's bytes."""
        # Not JSON: its encoder touches eighty pages of the zygote's memory, which are copied for that.
        killed, *others = self
        return _ANSWER.pack(_LIMITS.index(killed), *others)

    @classmethod
    def unpack(cls, data: bytes) -> "AnswerHead":
        """Return the head in a frame's bytes."""
        killed, *others = _ANSWER.unpack(data)
        return cls(_LIMITS[killed], *others)


def framed(data: bytes) -> bytes:
    """Return bytes as a frame."""
    return LENGTH.pack(len(data)) + data


def write_all(descriptor: int, data: bytes) -> None:
    """Write bytes, however many calls that takes."""
    left = memoryview(data)
    while left:
        left = left[_write(descriptor, left) :]


def read_exactly(read: Callable[[int], bytes], size: int) -> bytes:
    """Read so many bytes and not one more: the next ones may be for another process.

    Args:
        read: returns as many bytes as it is asked for, or fewer; none where the other side is gone.
        size: how many.

    Raises:
        EOFError: the other side is gone.
    """
    parts = []
    while size:
        part = read(min(size, _CHUNK))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_frame(read: Callable[[int], bytes], most: int | None = None) -> bytes:
    """Return the bytes of the next frame.

    Args:
        read: see `read_exactly`.
        most: bytes that a frame may have; nothing of a longer one is read.

    Raises:
        EOFError: the other side is gone.
        FrameTooLongError: as it says.
    """
    (size,) = LENGTH.unpack(read_exactly(read, LENGTH.size))
    if most is not None and size > most:
        raise FrameTooLongError(f"{size} bytes")
    return read_exactly(read, size)
