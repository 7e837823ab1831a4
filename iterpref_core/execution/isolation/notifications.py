"""Notifications of a seccomp filter: a program's system calls that wait until the zygote has answered."""

import errno
import fcntl
import os
import struct
from typing import NamedTuple

from .process_limits import MAX_OWN_THREADS

# SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND
_RECEIVE = 0xC0502100
_SEND = 0xC0182101
_NOTIFICATION_BYTES = 80
_HEAD = struct.Struct("=QI")
_RESPONSE = struct.Struct("=QqiI")
_CONTINUE = 1


class Notification(NamedTuple):
    """A system call that waits.

    Attributes:
        identity: names the call in the answer.
        thread: id of the thread that makes the call.
    """

    identity: int
    thread: int


def receive(listener: int) -> Notification | None:
    """Return the next call that waits; None if the caller was killed or interrupted meanwhile."""
    content = bytearray(_NOTIFICATION_BYTES)
    try:
        fcntl.ioctl(listener, _RECEIVE, content)
    except OSError:
        return None
    return Notification(*_HEAD.unpack_from(content))


def answer(listener: int, call: Notification, error: int = 0) -> None:
    """Let a call be made, or have it fail with an error number."""
    flags = 0 if error else _CONTINUE
    try:
        fcntl.ioctl(listener, _SEND, _RESPONSE.pack(call.identity, 0, -error, flags))
    except OSError:
        return  # as above: nobody waits for the answer


def admit_thread(listener: int) -> None:
    """Answer a program that wants to start a thread: it may, or it fails as where the system has no more.

    Args:
        listener: of the filter that announces threads; see `seccomp.announce_threads`.
    """
    # The program's clone(CLONE_THREAD, ...) waits in the kernel until it is answered:
    #   64 threads or fewer, the first among them: let; the kernel makes the thread, as if nothing had been asked
    #   more:                                      refused with EAGAIN; `Thread.start` raises RuntimeError
    call = receive(listener)
    if call is None:
        return
    try:
        threads = len(os.listdir(f"/proc/{call.thread}/task"))
    except OSError:
        return  # the program was killed meanwhile
    too_many = threads > MAX_OWN_THREADS  # the first one is not counted
    answer(listener, call, errno.EAGAIN if too_many else 0)
