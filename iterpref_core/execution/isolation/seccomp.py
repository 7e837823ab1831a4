"""Build seccomp filters, which list the system calls that a program may make, some only with certain arguments.

These are the most important calls that are not allowed: new processes, exec, sockets (except anonymous pairs), signals
to others, ptrace, shared memory objects and queues, namespaces, mounts, keys, bpf, io_uring. A refused call fails with
EPERM. A call that the kernel may not know fails with ENOSYS, so that libraries use another one.

The wider filter is for a program that has a pid and a network namespace, with the zygote as their first process. It
adds processes (each is announced to the zygote, which decides), exec, signals to all but the zygote, and ordinary
sockets; not namespaces, ptrace and the rest.

Each filter has two parts, and the kernel obeys the stricter answer. The long part is installed once, in the zygote: it
leaves the zygote the calls by which it makes, restricts and ends programs. The short part takes these away from each
program, for the kernel's time to install a filter grows with its length.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Collection, Iterable
from itertools import chain, groupby

from . import syscalls
from .limits import libc

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
# Calls from here on came with Linux 5.1 and later. Libraries take ENOSYS for an older kernel, and use older calls.
_NEWER_CALLS = 424

_LOAD = 0x20
_JEQ = 0x15
_JGE = 0x35
_JGT = 0x25
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
# Of terminals TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGPGRP, TIOCSPGRP, TIOCGWINSZ, TIOCSWINSZ, TIOCGPTN, TIOCSPTLCK; of
# any file FIONREAD, FIONBIO, FIONCLEX and FIOCLEX; for the zygote, which alone has a listener, SECCOMP_IOCTL_NOTIF_RECV
# and SECCOMP_IOCTL_NOTIF_SEND. Other requests give input to terminals, or know the machine's addresses.
_REQUESTS = (
    *(0x5401, 0x5402, 0x5403, 0x5404, 0x540F, 0x5410, 0x5413, 0x5414, 0x80045430, 0x40045431),
    *(0x541B, 0x5421, 0x5450, 0x5451, 0xC0502100, 0xC0182101),
)

_SET_MODE_FILTER = 1
_NEW_LISTENER = 1 << 3

_OPERAND = struct.Struct("=I")
_PLACEHOLDER = 0x7FFF1234
"""Replaced by the process's own id, the only process that it may signal unless it may start others."""


Instruction = tuple[int, int, int, int]
_ANY_BITS = 2**32 - 1


def _check(index: int, values: tuple[int, ...], miss: int, mask: int = _ANY_BITS) -> list[Instruction]:
    """Return instructions that end with `miss` unless an argument, after the mask, equals a value in `values`."""
    # A jump counts the instructions to skip if the comparison holds, and if it does not. For one value:
    #   LOAD argument         the low half of an argument in `struct seccomp_data` (little endian)
    #   AND  mask
    #   JEQ  value   1, 0     equal: skip one, to what follows; each further value skips one less
    #   RETURN miss
    body: list[Instruction] = [(_LOAD, 0, 0, 16 + 8 * index), (_AND, 0, 0, mask)]
    for i, value in enumerate(values):
        body.append((_JEQ, len(values) - i, 0, value))
    return [*body, (_RETURN, 0, 0, miss)]


def _call(numbers: Collection[int], decision: int, *checks: list[Instruction]) -> list[Instruction]:
    """Return instructions for some system calls, which other calls skip: their checks, then a decision."""
    body = [*chain(*checks), (_RETURN, 0, 0, decision)]
    program: list[Instruction] = []
    # A comparison that holds skips the others; the last one, if it does not hold, skips the body.
    left = len(numbers)
    for number in numbers:
        left -= 1
        program.append((_JEQ, left, 0 if left else len(body), number))
    return [*program, *body]


def _one_of(
    numbers: Collection[int],
    index: int,
    values: tuple[int, ...],
    hit: int = _ALLOW,
    miss: int = _EPERM,
    mask: int = _ANY_BITS,
) -> list[Instruction]:
    """Return instructions for some system calls: `hit` if an argument equals a value in `values`, else `miss`."""
    return _call(numbers, hit, _check(index, values, miss, mask))


def _allowed(numbers: Iterable[int]) -> list[Instruction]:
    """Return instructions that allow system calls with any arguments."""
    # [0, 1, 2, 5] is the runs 0 to 2 and 5 to 5: two comparisons for a run instead of one for each number.
    program: list[Instruction] = []
    for _, run in groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        inside = [number for _, number in run]
        program += [(_JGE, 0, 2, inside[0]), (_JGT, 1, 0, inside[-1]), (_RETURN, 0, 0, _ALLOW)]
    return program


def _head() -> list[Instruction]:
    """Return instructions that kill a caller with another machine's numbering, and load the number of the call."""
    machine = _AUDIT_ARCH[platform.machine()]
    return [(_LOAD, 0, 0, _ARCH), (_JEQ, 1, 0, machine), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NR)]


def _numbers(table: str) -> set[int]:
    return set(syscalls.numbers(table).values())


def _common(*, processes: bool) -> list[Instruction]:
    """Return the part that also holds for the zygote."""
    # The kernel runs it from the top at each system call:
    #   1. another machine's numbering: killed
    #   2. in a run of allowed numbers: allowed; most calls end here
    #   3. x86-64's second table of numbers: refused
    #   4. the calls that are decided by their arguments
    #   5. all other calls: ENOSYS for newer calls, so that libraries use older ones; else EPERM
    allowed = _numbers(syscalls.ALLOWED) | _numbers(syscalls.METADATA) | _numbers(syscalls.ABOUT_ITSELF)
    allowed |= _numbers(syscalls.OF_THE_ZYGOTE) | _numbers(syscalls.BY_PROCESS)
    if processes:
        allowed |= _numbers(syscalls.PROCESSES)
    numbers = syscalls.numbers(syscalls.BY_ARGUMENTS)
    program = [*_head(), *_allowed(allowed), (_JGE, 0, 1, _X32_BIT), (_RETURN, 0, 0, _EPERM)]
    # A filter cannot follow the pointer to the arguments of these two. Libraries then use the older calls.
    program += _call((numbers["clone3"], numbers["openat2"]), _ENOSYS)
    program += _one_of((numbers["fcntl"],), 1, _F_DENIED, _EPERM, _ALLOW)
    program += _one_of((numbers["ioctl"],), 1, _REQUESTS)
    # With another mode than 0 a file could have more blocks of the disk than bytes, and `RLIMIT_FSIZE` counts bytes.
    program += _one_of((numbers["fallocate"],), 1, (0,))
    # Event loops wake themselves through a pair of sockets.
    program += _one_of((numbers["socketpair"],), 0, (_AF_UNIX,))
    program += _call(_numbers(syscalls.ATTRIBUTES), _ENOTSUP)
    # `open(O_RDONLY | O_TRUNC)` empties a read-only file; Landlock before ABI 3 allows it. O_RDONLY is 0.
    for name, index in (("open", 1), ("openat", 2)):
        if name in numbers:
            program += _one_of((numbers[name],), index, (os.O_TRUNC,), _EPERM, _ALLOW, mask=os.O_TRUNC | os.O_ACCMODE)
    if processes:
        program += _by_arguments_of_processes(numbers)
    else:
        # Without an address, data goes only to the other end of a pair.
        program += _one_of((numbers["sendto"],), 5, (0,))
    return [*program, (_JGE, 0, 1, _NEWER_CALLS), (_RETURN, 0, 0, _ENOSYS), (_RETURN, 0, 0, _EPERM)]


def _by_arguments_of_processes(numbers: dict[str, int]) -> list[Instruction]:
    """Return further instructions of the common part, for programs with processes of their own."""
    numbers = numbers | syscalls.numbers(syscalls.BY_ARGUMENTS_OF_PROCESSES)
    program = _call((numbers["sendto"],), _ALLOW)
    program += _one_of((numbers["setsockopt"],), 1, _LEVELS)
    # socket(family, kind, protocol). The mask takes SOCK_CLOEXEC and SOCK_NONBLOCK away, which are flags in the kind.
    kinds = _check(1, _KINDS, _EPERM, mask=0xF)
    checks = (_check(0, _FAMILIES, _EPERM), kinds, _check(2, _PROTOCOLS, _EPERM))
    return program + _call((numbers["socket"],), _ALLOW, *checks)


def _own(*, processes: bool, pretended: str) -> list[Instruction]:
    """Return the part of one program, which takes calls away from it; all others are left to the common part."""
    numbers = syscalls.numbers(syscalls.BY_PROCESS)
    clone = (numbers["clone"],)
    forks = {numbers[name] for name in ("fork", "vfork") if name in numbers}
    signals = (numbers["kill"], numbers["tgkill"])
    about_itself = {numbers["prlimit64"]}
    taken = _numbers(syscalls.OF_THE_ZYGOTE)
    program = [*_head(), *_one_of((numbers["prctl"],), 0, _PR_ALLOWED)]
    if processes:
        taken -= _numbers(syscalls.PROCESSES)
        # Three answers to clone: refused with a flag for a new namespace, allowed for a thread, and for a process the
        # kernel asks the zygote (NOTIFY), which counts.
        threads = _check(0, (_CLONE_THREAD,), _NOTIFY, mask=_CLONE_THREAD)
        program += _call(clone, _ALLOW, _check(0, (0,), _EPERM, mask=_CLONE_DENIED), threads)
        if forks:
            program += _call(forks, _NOTIFY)
        program += _one_of(signals, 0, _ZYGOTE_AND_ALL, _EPERM, _ALLOW)
    else:
        taken |= forks
        about_itself |= _numbers(syscalls.ABOUT_ITSELF)
        # With CLONE_THREAD clone makes a thread, which is allowed; fork() calls it without, and is refused.
        program += _one_of(clone, 0, (_CLONE_THREAD,), mask=_CLONE_THREAD)
        program += _one_of(signals, 0, (_PLACEHOLDER,))
    program += _one_of(about_itself, 0, (0, _PLACEHOLDER))
    program += _call([number for number in taken if number < _NEWER_CALLS], _EPERM)
    program += _call([number for number in taken if number >= _NEWER_CALLS], _ENOSYS)
    if pretended:
        program += _call(_numbers(pretended), _PRETEND)
    return [*program, (_RETURN, 0, 0, _ALLOW)]


class Part:
    """One part of a filter, compiled.

    Args:
        program: its instructions.
        flags: of the call that installs it.
    """

    def __init__(self, program: list[Instruction], flags: int = 0) -> None:
        code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
        # All that children would have to make anew is made here: only their process ids differ.
        self._code = ctypes.create_string_buffer(code, len(code))
        # `struct sock_fprog`
        self._program = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(self._code))
        self._own_ids = [8 * place + 4 for place, step in enumerate(program) if step[3] == _PLACEHOLDER]
        self._flags = flags
        self._number = syscalls.numbers(syscalls.OF_THE_ZYGOTE)["seccomp"]

    def install(self) -> int:
        """Restrict the calling process and its threads for good; return the listener's descriptor, or 0 without one.

        The process must have refused new privileges, see `limits.refuse_privileges`.

        Raises:
            OSError: the kernel refused the filter.
        """
        own_id = os.getpid()
        for place in self._own_ids:
            _OPERAND.pack_into(self._code, place, own_id)
        done = libc.syscall(self._number, _SET_MODE_FILTER, self._flags, self._program)
        if done < 0:
            raise OSError(ctypes.get_errno(), "seccomp(SECCOMP_SET_MODE_FILTER)")
        return int(done)


class Filter:
    """A filter: `common` is installed in the zygote, and `own` in each child.

    Args:
        processes: use the wider filter, with a listener.
        pretended: table of calls that report success without effect. `METADATA` may have effect only if the program can
            write only to its own folder.

    Raises:
        KeyError: this machine's system call numbers are not known.
    """

    def __init__(self, *, processes: bool = False, pretended: str = syscalls.METADATA) -> None:
        self.common = Part(_common(processes=processes))
        self.own = Part(_own(processes=processes, pretended=pretended), _NEW_LISTENER if processes else 0)
