"""Set resource limits and give up root's privileges, in the zygote for all programs and in each child for its own."""

import ctypes
import os
import resource
import struct
from collections.abc import Iterator
from contextlib import contextmanager

libc = ctypes.CDLL(None, use_errno=True)
"""The C library, for system calls without a Python function; `ctypes.get_errno` has the error of a failed call."""
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_ADDR_NO_RANDOMIZE = 0x0040000
_ASK_PERSONALITY = ctypes.c_ulong(0xFFFFFFFF)
_CAPABILITY_VERSION_3 = 0x20080522
_prctl = libc.prctl
_KILL = ctypes.c_ulong(9)


@contextmanager
def fixed_addresses() -> Iterator[None]:
    """Have what this thread starts lie at the same addresses each time, where the kernel lets it (Docker's does not).

    Before Python 3.12 None is hashed by its address, and so in each start `list({None, (None,)})` had another order.
    """
    before = libc.personality(_ASK_PERSONALITY)
    libc.personality(before | _ADDR_NO_RANDOMIZE)
    try:
        yield
    finally:
        libc.personality(before)


def address_space() -> int:
    """Return the bytes of virtual memory that this process has mapped (VmSize)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def set_common_limits(file_bytes: int) -> None:
    """Set the resource limits of this process and its forks.

    Args:
        file_bytes: size of a file.
    """
    for what, most in ((resource.RLIMIT_FSIZE, file_bytes), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_MSGQUEUE, 0)):
        resource.setrlimit(what, (most, most))


def set_own_limits(cpu_s: int, memory_bytes: int) -> None:
    """Set the further limits of the process of a program.

    The address space is not limited in the zygote: it lists what programs leave, whose names may need more memory than
    a program may have.

    Args:
        cpu_s: CPU seconds, rounded up, since the kernel counts whole seconds; the zygote enforces the exact limit.
        memory_bytes: address space, including what the process had mapped before the program.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s + 1, cpu_s + 2))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))


def drop_capabilities() -> None:
    """Give up all capabilities, so that file modes and limits also hold for root.

    Raises:
        OSError: the kernel refused.
    """
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    if libc.capset(header, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def refuse_privileges() -> None:
    """Refuse privileges that this process and its children could gain by executing another program.

    Without this, the kernel accepts no filter and no ruleset from an ordinary process.

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
    """Hide this process's memory, environment and open files in `/proc` from other unprivileged processes.

    Forked processes inherit this; a program that they execute does not.
    """
    libc.prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(0))
