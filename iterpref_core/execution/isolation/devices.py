"""Protect the machine's devices, which bubblewrap shows to programs, and whose modes their owner may change.

Only root owns devices. As root, `chmod("/dev/null", 0)` of a program would stop every other process of the machine that
opens this device. A mount of its own that is read-only refuses that, and devices can be read and written all the same.
"""

import ctypes
import os

from .limits import libc

CAPABILITIES = {"CAP_SETPCAP": 8, "CAP_SYS_ADMIN": 21}
"""What a process needs for `make_read_only`, in its own namespaces, with the kernel's numbers."""
_MOUNTS = ("null", "zero", "full", "random", "urandom", "tty")
"""What bubblewrap mounts below `/dev`; its own option reaches `/dev` alone, or devices could not be opened."""
# MS_REMOUNT, MS_BIND, MS_RDONLY
_READ_ONLY = 32 | 4096 | 1
_KEPT = os.ST_NOSUID | os.ST_NOEXEC
_PR_CAPBSET_DROP = 24


def are_own() -> bool:
    """Return whether this user is root, and owns the devices; in a container they may be those of another root."""
    return os.getuid() == os.stat(os.devnull).st_uid == 0


def make_read_only() -> None:
    """Mount the devices again, read-only, if they are this user's; give up for good to gain what this needs.

    Raises:
        OSError: the kernel refused.
    """
    if not are_own():
        return
    for name in _MOUNTS:
        path = f"/dev/{name}"
        flags = _READ_ONLY | os.statvfs(path).f_flag & _KEPT
        if libc.mount(None, path.encode(), None, ctypes.c_ulong(flags), None) != 0:
            raise OSError(ctypes.get_errno(), f"mount({path})")
    for number in CAPABILITIES.values():
        libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(number))
