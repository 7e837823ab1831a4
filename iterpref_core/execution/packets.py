"""Define the packets in which the supervisor and a zygote talk, over a socket that keeps packets apart.

    supervisor -> zygote     the settings (JSON), then for each job its limits of time, with its files (`Files`)
    zygote -> supervisor     `READY` or an error, then for each job how its process ended

Code, tests, output and reports are in the files. They never enter the memory of the zygote, because the next program
gets a copy of it.
"""

import _socket  # the Python part of `socket` would make every fork more expensive
import os
import struct
from typing import NamedTuple

READY = b"ready"
MAX_PACKET = 1 << 16
_DESCRIPTOR = struct.Struct("=i")
# Kept, because a test or a program may replace `os.write`.
_write = os.write


class Runtime(NamedTuple):
    """An interpreter, and what it needs to start.

    Attributes:
        interpreter: its path, with links resolved.
        executable: the value of `sys.executable` in programs.
        site: folders of installed packages, in the order of `sys.path`.
        readable: files and folders that Python reads at run time.
        preload: modules to import once, because many programs import them; in another environment pytest and plugins.
        processes: programs may start processes.
        names: paths of this machine, each with the name that feedback shows instead.
        variables: of the environment, which programs see beside `HOME`.
    """

    interpreter: str
    executable: str
    site: tuple[str, ...]
    readable: tuple[str, ...]
    preload: tuple[str, ...]
    processes: bool = False
    names: tuple[tuple[str, str], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


class WorkerSettings(NamedTuple):
    """The settings of a zygote, which hold for all of its programs.

    Attributes:
        runtime: the interpreter.
        root: folder that programs may write to.
        layers: layers of the isolation.
        runners: runners of tests inside to import once: `unittest`, `pytest` (both of them) or empty.
        memory_mb: MiB of address space in addition to the interpreter's.
        file_mb: MiB in one file.
        disk_mb: MiB in all files together.
    """

    runtime: Runtime
    root: str
    layers: tuple[str, ...]
    runners: str
    memory_mb: int
    file_mb: int
    disk_mb: int


class Files(NamedTuple):
    """Descriptors of the files of a program, which are in memory and leave no file on a disk.

    Attributes:
        stdin: standard input.
        stdout: standard output.
        stderr: standard error; the same as standard output, except for a script on a console.
        job: the message of `protocol.steps.packed`; then the steps of each further turn, when it has come.
        channel: the reports.
        asking: end of a pipe by which the process asks the supervisor for the next turn.
        answers: end of a pipe that says that the turn has come. Neither is a socket: with a socket, a program could
            send descriptors whose closing would stop the supervisor.
    """

    stdin: int
    stdout: int
    stderr: int
    job: int
    channel: int
    asking: int
    answers: int


def receive(connection: _socket.socket) -> tuple[bytes, list[int]]:
    """Return the next packet, and the descriptors that come with it.

    Raises:
        EOFError: the other side is gone.
    """
    room = _socket.CMSG_SPACE(len(Files._fields) * _DESCRIPTOR.size)
    packet, messages, _, _ = connection.recvmsg(MAX_PACKET, room)
    if not packet:
        raise EOFError
    return packet, [number for _, _, data in messages for (number,) in _DESCRIPTOR.iter_unpack(data)]


def send_descriptor(connection: int, descriptor: int) -> None:
    """Send a descriptor through the connection of this number, and close both."""
    end = _socket.socket(fileno=connection)
    end.sendmsg([b"x"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, _DESCRIPTOR.pack(descriptor))])
    end.close()
    os.close(descriptor)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all bytes, in several calls if necessary."""
    # A view, so that the rest is not copied for each call.
    left = memoryview(data)
    while left:
        left = left[_write(descriptor, left) :]
