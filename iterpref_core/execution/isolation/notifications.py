"""Receive and answer a seccomp filter's notifications: system calls that wait until the zygote allows them."""

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
    """Return the id of the next waiting call; None if the caller was killed or interrupted meanwhile."""
    content = bytearray(_NOTIFICATION_BYTES)
    try:
        fcntl.ioctl(listener, _RECEIVE, content)
    except OSError:
        return None
    (identity,) = _IDENTITY.unpack_from(content)
    return int(identity)


def let(listener: int, identity: int) -> None:
    """Allow a call."""
    try:
        fcntl.ioctl(listener, _SEND, _RESPONSE.pack(identity, 0, 0, _CONTINUE))
    except OSError:
        # The caller was killed or interrupted meanwhile.
        return
