"""Build seccomp filters, which list the system calls that a program may make, some only with certain arguments.

These are the most important calls that are not allowed: new processes, exec, sockets (except anonymous pairs), signals
to others, ptrace, shared memory objects and queues, namespaces, mounts, keys, bpf, io_uring. A refused call fails with
EPERM. A call that the kernel may not know fails with ENOSYS, so that libraries use another one.

The wider filter is for a program that has a pid and a network namespace, with the zygote as their first process. It
adds processes (each is announced to the zygote, which decides), exec, signals to all but the zygote, and ordinary
sockets; not namespaces, ptrace and the rest.
"""

import ctypes
import errno
import os
import platform
import struct

from . import syscalls
from .libc import libc

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
# Calls from here on came with Linux 5.1 and later. Libraries take ENOSYS for an older kernel, and use older calls.
_NEWER_CALLS = 424

_LOAD = 0x20
_JUMP = 0x05
_JEQ = 0x15
_JGE = 0x35
_JGT = 0x25
_JSET = 0x45
_AND = 0x54
_RETURN = 0x06
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
# The filter's listener asks the zygote.
_NOTIFY = 0x7FC00000
_KILL = 0x80000000
_EPERM = _ERRNO | errno.EPERM
_ENOSYS = _ERRNO | errno.ENOSYS
_ENOTSUP = _ERRNO | errno.ENOTSUP
# A failure with error 0: the caller sees success, but the kernel does not make the call.
_PRETEND = _ERRNO

_NR = 0
_ARCH = 4

_CLONE_THREAD = 0x00010000
# Every CLONE_NEW..., and CLONE_PARENT, which would make the new process a child of the zygote
_CLONE_DENIED = 0x7E028000
_AF_UNIX = 1
# Families UNIX, INET and INET6; kinds STREAM, DGRAM and SEQPACKET
_FAMILIES = (_AF_UNIX, 2, 10)
_KINDS = (1, 2, 5)
_PROTOCOLS = (0, 6, 17)
# Levels of setsockopt: IP, SOCKET, TCP, IPV6
_LEVELS = (0, 1, 6, 41)
# Targets of `kill`: the first process of the namespace, and all processes
_ZYGOTE_AND_ALL = (1, 2**32 - 1)
# SET_NAME, GET_NAME, CAPBSET_READ, GET_NO_NEW_PRIVS, SET_VMA (used by malloc)
_PR_ALLOWED = (15, 16, 23, 39, 0x53564D41)
# SETOWN, SETSIG, SETOWN_EX, SETLEASE: with these the kernel could send signals to other processes.
_F_DENIED = (8, 10, 15, 1024)
# FIOSETOWN, SIOCSPGRP, TIOCSTI
_IOCTL_DENIED = (0x8901, 0x8902, 0x5412)

_SET_MODE_FILTER = 1
_NEW_LISTENER = 1 << 3

_PLACEHOLDER = 0x7FFF1234
"""Replaced by the process's own id, the only process that it may signal unless it may start others."""


Instruction = tuple[int, int, int, int]


def _argument(index: int) -> int:
    """Return the offset of the low half of an argument in `struct seccomp_data` (little endian)."""
    return 16 + 8 * index


def _call(number: int, body: list[Instruction]) -> list[Instruction]:
    """Return instructions for one system call, which other calls skip."""
    return [(_JEQ, 0, len(body), number), *body]


def _always(number: int, decision: int) -> list[Instruction]:
    """Return instructions for one system call with any arguments."""
    return _call(number, [(_RETURN, 0, 0, decision)])


def _check(index: int, values: tuple[int, ...], miss: int, mask: int = 2**32 - 1) -> list[Instruction]:
    """Return instructions that end with `miss` unless an argument, after the mask, equals a value in `values`."""
    # A jump counts the instructions to skip if the comparison holds, and if it does not. For one value:
    #   LOAD argument
    #   AND  mask
    #   JEQ  value   1, 0     equal: skip one, to what follows; each further value skips one less
    #   RETURN miss
    body: list[Instruction] = [(_LOAD, 0, 0, _argument(index)), (_AND, 0, 0, mask)]
    for i, value in enumerate(values):
        body.append((_JEQ, len(values) - i, 0, value))
    body.append((_RETURN, 0, 0, miss))
    return body


def _one_of(
    number: int, index: int, values: tuple[int, ...], hit: int = _ALLOW, miss: int = _EPERM
) -> list[Instruction]:
    """Return instructions for one system call: `hit` if an argument equals a value in `values`, else `miss`."""
    return _call(number, [*_check(index, values, miss), (_RETURN, 0, 0, hit)])


def _no_truncating_read(number: int, index: int) -> list[Instruction]:
    """Refuse `open(O_RDONLY | O_TRUNC)`, which empties a read-only file; Landlock before ABI 3 allows it."""
    body = [
        (_LOAD, 0, 0, _argument(index)),
        (_JSET, 0, 3, os.O_TRUNC),
        (_AND, 0, 0, os.O_ACCMODE),
        (_JEQ, 0, 1, os.O_RDONLY),
        (_RETURN, 0, 0, _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return _call(number, body)


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Return numbers as sorted runs of (first, last)."""
    # [0, 1, 2, 5] becomes [(0, 2), (5, 5)]: two comparisons for a run instead of one for each number.
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _allowed(runs: list[tuple[int, int]], rest: int = 0) -> list[Instruction]:
    """Return instructions that allow the numbers in some runs, and jump over `rest` further instructions otherwise.

    They would also allow numbers below the first run, so `_compile` sends these past the tree.
    """
    # A tree is faster than a list: the kernel tries the filter with every number when a child installs it. Four runs:
    #   JGE first of run 3      is the number in the upper half? then skip the lower one
    #     JGE first of run 2
    #       ...               run 1
    #       JGT last of run 2   above the run: to its JUMP
    #       RETURN allowed
    #       JUMP                over the upper half, to what follows the tree
    #     JGE first of run 4    the upper half in the same way
    #       ...
    if len(runs) == 1:
        ((_, last),) = runs
        return [
            (_JGT, 1, 0, last),
            (_RETURN, 0, 0, _ALLOW),
            (_JUMP, 0, 0, rest),
        ]
    middle = len(runs) // 2
    upper = _allowed(runs[middle:], rest)
    lower = _allowed(runs[:middle], rest + len(upper))
    first = runs[middle][0]
    return [(_JGE, len(lower), 0, first), *lower, *upper]


def _by_arguments(numbers: dict[str, int]) -> list[Instruction]:
    """Return the instructions for calls whose arguments decide, in the same way for every program."""
    program: list[Instruction] = []
    # A filter cannot follow the pointer to the arguments of these two. Libraries then use the older calls.
    program += _always(numbers["clone3"], _ENOSYS)
    program += _always(numbers["openat2"], _ENOSYS)
    program += _one_of(numbers["prctl"], 0, _PR_ALLOWED)
    program += _one_of(numbers["prlimit64"], 0, (0, _PLACEHOLDER))
    program += _one_of(numbers["fcntl"], 1, _F_DENIED, _EPERM, _ALLOW)
    program += _one_of(numbers["ioctl"], 1, _IOCTL_DENIED, _EPERM, _ALLOW)
    # Event loops wake themselves through a pair of sockets.
    program += _one_of(numbers["socketpair"], 0, (_AF_UNIX,))
    for number in syscalls.numbers(syscalls.ATTRIBUTES).values():
        program += _always(number, _ENOTSUP)
    if "open" in numbers:
        program += _no_truncating_read(numbers["open"], 1)
    return program + _no_truncating_read(numbers["openat"], 2)


def _by_arguments_alone(numbers: dict[str, int], *, metadata: bool) -> list[Instruction]:
    """Return the instructions for a program that must stay a single process."""
    # The first argument of clone holds flags. With CLONE_THREAD it makes a thread, which is allowed; fork() calls it
    # without, and is refused.
    program = [
        (_JEQ, 0, 4, numbers["clone"]),
        (_LOAD, 0, 0, _argument(0)),
        (_JSET, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _EPERM),
    ]
    for name in ("kill", "tgkill"):
        program += _one_of(numbers[name], 0, (_PLACEHOLDER,))
    # Without an address, data goes only to the other end of a pair.
    program += _one_of(numbers["sendto"], 5, (0,))
    for number in syscalls.numbers(syscalls.ABOUT_ITSELF).values():
        program += _one_of(number, 0, (0, _PLACEHOLDER))
    if not metadata:
        for number in syscalls.numbers(syscalls.METADATA).values():
            program += _always(number, _PRETEND)
    return program


def _by_arguments_of_processes(numbers: dict[str, int]) -> list[Instruction]:
    """Return the instructions for a program with processes of its own."""
    # Three answers to clone: refused with a flag for a new namespace, allowed for a thread, and for a process the
    # kernel asks the zygote (NOTIFY), which counts.
    program = [
        (_JEQ, 0, 6, numbers["clone"]),
        (_LOAD, 0, 0, _argument(0)),
        (_JSET, 0, 1, _CLONE_DENIED),
        (_RETURN, 0, 0, _EPERM),
        (_JSET, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _NOTIFY),
    ]
    numbers = numbers | syscalls.numbers(syscalls.BY_ARGUMENTS_OF_PROCESSES)
    for name in ("fork", "vfork"):
        if name in numbers:
            program += _always(numbers[name], _NOTIFY)
    for name in ("kill", "tgkill"):
        program += _one_of(numbers[name], 0, _ZYGOTE_AND_ALL, _EPERM, _ALLOW)
    program += _always(numbers["sendto"], _ALLOW)
    program += _one_of(numbers["setsockopt"], 1, _LEVELS)
    return program + _ordinary_socket(numbers["socket"])


def _ordinary_socket(number: int) -> list[Instruction]:
    """Return the instructions for `socket`: stream and datagram sockets of the families that programs use."""
    # socket(family, kind, protocol): each argument has its turn, and the first that is on no list ends it. The mask
    # takes SOCK_CLOEXEC and SOCK_NONBLOCK away, which are flags in the kind.
    family = _check(0, _FAMILIES, _EPERM)
    kind = _check(1, _KINDS, _EPERM, mask=0xF)
    protocol = _check(2, _PROTOCOLS, _EPERM)
    return _call(number, [*family, *kind, *protocol, (_RETURN, 0, 0, _ALLOW)])


def _compile(*, processes: bool, metadata: bool) -> bytes:
    """Return the filter, as an array of `struct sock_filter`."""
    # The kernel runs it from the top at each system call:
    #   1. another machine's numbering: killed
    #   2. in a run of allowed numbers: allowed; most calls end here
    #   3. x86-64's second table of numbers: refused
    #   4. the calls that are decided by their arguments
    #   5. all other calls: ENOSYS for newer calls, so that libraries use older ones; else EPERM
    machine = platform.machine()
    allowed = syscalls.numbers(syscalls.ALLOWED)
    if metadata:
        allowed |= syscalls.numbers(syscalls.METADATA)
    if processes:
        for table in (syscalls.PROCESSES, syscalls.ABOUT_ITSELF):
            allowed |= syscalls.numbers(table)
    by_arguments = syscalls.numbers(syscalls.BY_ARGUMENTS)
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_JEQ, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NR),
    ]
    runs = _ranges(list(allowed.values()))
    tree = _allowed(runs)
    lowest = runs[0][0]
    program.append((_JGE, 1, 0, lowest))
    program.append((_JUMP, 0, 0, len(tree)))
    program += tree
    program += [(_JGE, 0, 1, _X32_BIT), (_RETURN, 0, 0, _EPERM)]
    program += _by_arguments(by_arguments)
    program += (
        _by_arguments_of_processes(by_arguments) if processes else _by_arguments_alone(by_arguments, metadata=metadata)
    )
    program += [(_JGE, 0, 1, _NEWER_CALLS), (_RETURN, 0, 0, _ENOSYS)]
    program.append((_RETURN, 0, 0, _EPERM))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


class Filter:
    """A filter compiled once and installed in many children, each with its own process id in it.

    Args:
        processes: use the wider filter, with a listener.
        metadata: let modes and times of files change; safe only if the program can write only to its own folder.

    Raises:
        KeyError: this machine's system call numbers are not known.
    """

    def __init__(self, *, processes: bool = False, metadata: bool = False) -> None:
        template = _compile(processes=processes, metadata=metadata)
        self._flags = _NEW_LISTENER if processes else 0
        # An instruction has 8 bytes: code (2), jumps (1 and 1), value (4). Each child replaces the placeholders by its
        # own process id before the kernel reads the filter.
        mark = struct.pack("=I", _PLACEHOLDER)
        values = range(4, len(template), 8)
        self._holes = [start for start in values if template[start : start + 4] == mark]
        self._code = ctypes.create_string_buffer(template, len(template))
        # `struct sock_fprog`
        self._program = struct.pack("HxxxxxxQ", len(template) // 8, ctypes.addressof(self._code))
        self._number = syscalls.numbers(syscalls.SECCOMP)["seccomp"]

    def install(self) -> int:
        """Restrict the calling process and its threads for good.

        The process must have refused new privileges, see `limits.refuse_privileges`.

        Returns: the listener's descriptor, where there is one, else 0.

        Raises:
            OSError: the kernel refused the filter.
        """
        pid = os.getpid()
        for hole in self._holes:
            struct.pack_into("=I", self._code, hole, pid)
        done = libc.syscall(self._number, _SET_MODE_FILTER, self._flags, self._program)
        if done < 0:
            raise OSError(ctypes.get_errno(), "seccomp(SECCOMP_SET_MODE_FILTER)")
        return int(done)
