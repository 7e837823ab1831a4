"""Notifications of a seccomp filter: a program's system calls that wait until the zygote has answered."""

import fcntl
import struct
from typing import NamedTuple

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


def _answer(listener: int, identity: int, error: int, flags: int) -> None:
    try:
        fcntl.ioctl(listener, _SEND, _RESPONSE.pack(identity, 0, -error, flags))
    except OSError:
        return  # as above: nobody waits for the answer


def let(listener: int, call: Notification) -> None:
    """Let a call be made."""
    _answer(listener, call.identity, 0, _CONTINUE)


def refuse(listener: int, call: Notification, error: int) -> None:
    """Have a call fail with an error number."""
    _answer(listener, call.identity, error, 0)
