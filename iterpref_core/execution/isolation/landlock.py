"""Restrict with Landlock which files a program may read, and which folders it may write to.

Newer kernels can also restrict sockets and signals here. In every tier the seccomp filter does that.
"""

import ctypes
import os
import struct
from collections.abc import Iterable

from .limits import libc

_syscall = libc.syscall
_CREATE = 444
_ADD_RULE = 445
_RESTRICT = 446
_RULE_PATH_BENEATH = 1

_EXECUTE = 1 << 0
_WRITE_FILE = 1 << 1
_READ_FILE = 1 << 2
_READ_DIR = 1 << 3
_MAKE_DEVICE = 1 << 6 | 1 << 11
_MAKE_SOCKET_OR_PIPE = 1 << 9 | 1 << 10
_READ = _READ_FILE | _READ_DIR
# Rights that make sense on a single file
_FILE_ONLY = 1 << 0 | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15

_LATER_RIGHTS = ((2, 13), (3, 14), (5, 15))
"""Versions of Landlock, and the right that each added: linking, truncating, ioctl."""


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _FILE_ONLY
        rule = struct.pack("=Qi", rights, target)
        if libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0) != 0:
            raise OSError(ctypes.get_errno(), f"landlock_add_rule({path})")
    finally:
        os.close(target)


def create_ruleset(
    readable: Iterable[str], writable: Iterable[str], devices: Iterable[str], *, processes: bool = False
) -> int:
    """Create a ruleset and return its file descriptor, which many children can enforce.

    Args:
        readable: files and folders (with their contents) that may be read; missing ones are skipped.
        writable: folders in which ordinary files and folders may be made, changed and removed.
        devices: device files that may be read and written.
        processes: readable and writable files may also be executed, and named sockets and pipes may be made.

    Raises:
        OSError: the kernel has no Landlock or refused a rule.
    """
    version = max(0, int(libc.syscall(_CREATE, None, 0, 1)))  # 0 where Landlock is absent or switched off
    everything = (1 << 13) - 1
    for since, bit in _LATER_RIGHTS:
        if version >= since:
            everything |= 1 << bit
    attributes = struct.pack("=Q", everything)
    ruleset = int(libc.syscall(_CREATE, attributes, len(attributes), 0))
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    reading = _READ
    denied = _MAKE_DEVICE | _MAKE_SOCKET_OR_PIPE | _EXECUTE
    if processes:
        reading = _READ | _EXECUTE
        denied = _MAKE_DEVICE
    for path in readable:
        _allow(ruleset, path, reading)
    for path in devices:
        _allow(ruleset, path, _READ_FILE | _WRITE_FILE)
    for path in writable:
        _allow(ruleset, path, everything & ~denied)
    return ruleset


def enforce(ruleset: int) -> None:
    """Restrict the calling process for good; it must have refused new privileges, see `limits.refuse_privileges`.

    Raises:
        OSError: the kernel refused.
    """
    if _syscall(_RESTRICT, ruleset, 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")
