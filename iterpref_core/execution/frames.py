"""Define the frames in which all processes of the engine talk: bytes after their length.

    supervisor -> zygote     the settings (JSON), then for each job:
                               the head (`JobHead`), the only part that the zygote reads
                               standard input and the message of `protocol.steps`, read only by the program's process
                               the steps of its tests, which that process passes on unread
    zygote -> supervisor     ready, or an error (JSON), then for each job:
                               the head of the answer (`AnswerHead`)
                               the beginning of the output
                               the reports

Only messages of the supervisor are unpacked, in a process that is already restricted.
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
# The limit that was hit, by its number in an answer; the first means none
_LIMITS = ("", "cpu", "test", "wall", "disk", "processes")
_CHUNK = 1 << 20
# Kept, because a test or a program may replace `os.write`.
_write = os.write


class Settings(NamedTuple):
    """The settings of a zygote, which hold for all of its programs.

    Attributes:
        root: folder that programs may write to.
        layers: layers of the isolation.
        readable: paths that programs may read.
        executable: the value of `sys.executable` in programs.
        site: folders of installed packages.
        preload: modules to import once.
        runners: runners of tests inside to import once: `unittest`, `pytest` (both of them) or empty.
        processes: programs may start processes.
        memory_mb: MiB of address space in addition to the interpreter's.
        file_mb: MiB in one file.
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
    """The head of the answer to a job: what the zygote observed from outside.

    Attributes:
        killed: the limit that the program has hit: `cpu`, `test`, `wall`, `disk` or `processes`; else empty.
        exit: exit status, negative for a signal.
        cpu_s: CPU seconds.
        printed: bytes printed.
        worn: the zygote accepts no further job.
    """

    killed: str
    exit: int
    cpu_s: float
    printed: int
    worn: bool

    def pack(self) -> bytes:
        """Return the head as a frame's bytes."""
        # Not JSON: its encoder would write to eighty memory pages of the zygote, which are then copied.
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
    """Write all bytes, in several calls if necessary."""
    # A view, so that the rest is not copied for each call.
    left = memoryview(data)
    while left:
        # A full pipe takes a part.
        left = left[_write(descriptor, left) :]


def read_exactly(read: Callable[[int], bytes], size: int) -> bytes:
    """Read exactly `size` bytes; the bytes after them may belong to another process.

    Args:
        read: returns at most the number of bytes that it is asked for; no bytes if the other side is gone.
        size: the number of bytes.

    Raises:
        EOFError: the other side is gone.
    """
    parts = []
    while size:
        # A frame of a gigabyte is not asked for at once.
        part = read(min(size, _CHUNK))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def pour_frame(source: int, target: int) -> None:
    """Copy the next frame's bytes from one file to another, and leave none of them in this process's memory.

    Raises:
        EOFError: the other side is gone.
    """
    (left,) = LENGTH.unpack(read_exactly(functools.partial(os.read, source), LENGTH.size))
    buffer = bytearray(min(left, _CHUNK))
    view = memoryview(buffer)
    while left:
        # Into one buffer, which is erased below: `os.read` would leave copies.
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
