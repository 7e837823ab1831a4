"""Read and write frames, bytes with their length before them, which all processes of the engine exchange.

    supervisor -> zygote     the settings (JSON), then for each job:
                               its head (`JobHead`), all that the zygote reads of a job
                               standard input and the message of `protocol.steps`, read by the program's process alone
                               the steps of its tests, which that process passes on unread
    zygote -> supervisor     that it is ready (JSON), then for each job:
                               the head of the answer (`AnswerHead`)
                               the beginning of the output
                               the reports

Only the supervisor's messages are unpacked, in a process that is restricted by then.
"""

import functools
import json
import os
import struct
from collections.abc import Callable
from typing import NamedTuple

LENGTH = struct.Struct("=I")
"""The length before a frame."""
_JOB = struct.Struct("=dddqq?")
_ANSWER = struct.Struct("=bqdq?")
_LIMITS = ("", "cpu", "test", "wall", "disk", "processes")
_CHUNK = 1 << 20
_write = os.write  # a test, and a program, may put a function of its own in its place


class Settings(NamedTuple):
    """The settings of a zygote, which hold for all of its programs.

    Attributes:
        root: folder that programs may write in.
        layers: of the isolation.
        readable: paths that programs may read.
        executable: the value of `sys.executable` in programs.
        site: folders of installed packages.
        preload: modules to import once.
        runners: of tests that run inside, to import once: `unittest`, `pytest` (both) or none.
        processes: programs may have processes of their own.
        memory_mb: MiB of address space on top of the interpreter's.
        file_mb: MiB in any one file.
        disk_mb: MiB in all files together.
    """

    root: str
    layers: list[str]
    readable: list[str]
    executable: str
    site: list[str]
    preload: list[str]
    runners: str
    processes: bool
    memory_mb: int
    file_mb: int
    disk_mb: int

    def pack(self) -> bytes:
        """Return the settings as a frame's bytes."""
        return json.dumps(self).encode()

    @classmethod
    def unpack(cls, data: bytes) -> "Settings":
        """Return the settings in a frame's bytes."""
        return cls(*json.loads(data))


class JobHead(NamedTuple):
    """The head of a job.

    Attributes:
        cpu_s: CPU seconds for all tests.
        wall_s: real seconds for all tests.
        test_cpu_s: CPU seconds for each test.
        keep: for a script, the bytes of standard output to return; else -1.
        stdin_bytes: the size of standard input.
        turns: the steps of the tests have several turns.
    """

    cpu_s: float
    wall_s: float
    test_cpu_s: float
    keep: int
    stdin_bytes: int
    turns: bool

    def pack(self) -> bytes:
        """Return the head as a frame's bytes."""
        return _JOB.pack(*self)

    @classmethod
    def unpack(cls, data: bytes) -> "JobHead":
        """Return the head in a frame's bytes."""
        return cls(*_JOB.unpack(data))


class AnswerHead(NamedTuple):
    """The head of the answer to a job: the zygote's observations of the program from outside.

    Attributes:
        killed: the limit that the program has hit: `cpu`, `test`, `wall`, `disk` or `processes`; "" for none.
        exit: its exit status, negative for a signal.
        cpu_s: CPU seconds.
        printed: bytes printed.
        worn: the zygote takes no further job.
    """

    killed: str
    exit: int
    cpu_s: float
    printed: int
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


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write bytes, however many calls that takes."""
    left = memoryview(data)
    while left:
        left = left[_write(descriptor, left) :]


def read_exactly(read: Callable[[int], bytes], size: int) -> bytes:
    """Read exactly `size` bytes: the bytes after them may be for another process.

    Args:
        read: returns at most the given number of bytes, and no bytes if the other side is gone.
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


def pour_frame(source: int, target: int) -> None:
    """Copy the next frame's bytes from one file to another, and erase them from this process's memory.

    Raises:
        EOFError: the other side is gone.
    """
    (left,) = LENGTH.unpack(read_exactly(functools.partial(os.read, source), LENGTH.size))
    buffer = bytearray(min(left, _CHUNK))
    view = memoryview(buffer)
    while left:
        size = os.readv(source, [view[: min(left, _CHUNK)]])
        if not size:
            raise EOFError
        write_all(target, view[:size])
        left -= size
    buffer[:] = bytes(len(buffer))


def read_frame(read: Callable[[int], bytes]) -> bytes:
    """Return the bytes of the next frame.

    Args:
        read: see `read_exactly`.

    Raises:
        EOFError: the other side is gone.
    """
    (size,) = LENGTH.unpack(read_exactly(read, LENGTH.size))
    return read_exactly(read, size)
