"""Notifications of a seccomp filter: a program's system calls that wait until the zygote lets them be made."""

import fcntl
import struct

# SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND
_RECEIVE = 0xC0502100
_SEND = 0xC0182101
_NOTIFICATION_BYTES = 80
_IDENTITY = struct.Struct("=Q")
_RESPONSE = struct.Struct("=QqiI")
_CONTINUE = 1


def receive(listener: int) -> int | None:
    """Return the identity of the next call that waits; None if the caller was killed or interrupted meanwhile."""
    content = bytearray(_NOTIFICATION_BYTES)
    try:
        fcntl.ioctl(listener, _RECEIVE, content)
    except OSError:
        return None
    (identity,) = _IDENTITY.unpack_from(content)
    return int(identity)


def let(listener: int, identity: int) -> None:
    """Let a call be made."""
    try:
        fcntl.ioctl(listener, _SEND, _RESPONSE.pack(identity, 0, 0, _CONTINUE))
    except OSError:
        return  # as above: nobody waits for the answer
