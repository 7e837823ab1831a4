"""Resource limits, and the privileges of root, which every child gives up before it runs a program."""

import ctypes
import math
import os
import resource
import struct

from .libc import libc

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_prctl = libc.prctl
_KILL = ctypes.c_ulong(9)


def address_space() -> int:
    """Return the bytes of virtual memory that this process has mapped now (VmSize)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def set_limits(cpu_s: float, memory_bytes: int, file_bytes: int) -> None:
    """Set the resource limits of the calling process.

    Args:
        cpu_s: only the backstop, since the kernel counts whole seconds.
        memory_bytes: address space, with all that the process had mapped before the program.
        file_bytes: in any one file.
    """
    seconds = math.ceil(cpu_s) + 1
    for what, soft, hard in (
        (resource.RLIMIT_CPU, seconds, seconds + 1),
        (resource.RLIMIT_AS, memory_bytes, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes, file_bytes),
        (resource.RLIMIT_NOFILE, 128, 128),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        resource.setrlimit(what, (soft, hard))


def drop_capabilities() -> None:
    """Give up all of root's capabilities, so that file modes and limits hold for root too.

    Raises:
        OSError: the kernel refused.
    """
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    if libc.capset(header, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def refuse_privileges() -> None:
    """Refuse all privileges that a program might gain by executing another, for this process and those forked from it.

    The kernel takes no filter and no ruleset from a process that could gain some.

    Raises:
        OSError: the kernel refused.
    """
    one_and_zeros = map(ctypes.c_ulong, (1, 0, 0, 0))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, *one_and_zeros) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends; end at once if it already has."""
    _prctl(_PR_SET_PDEATHSIG, _KILL)
    if os.getppid() != parent:
        os._exit(70)


def hide_memory() -> None:
    """Nobody without privileges may read or write this process's memory, environment and open files through `/proc`.

    Processes forked from it inherit that; a program that they execute is readable again.
    """
    libc.prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(0))
