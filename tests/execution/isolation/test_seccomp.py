"""The filters of system calls, run as the kernel runs them."""

import platform
import struct

import pytest

from iterpref_core.execution.isolation import seccomp, syscalls

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW = 0x7FFF0000
KILL = 0x80000000
ERRNO = 0x00050000
EPERM = 1
ENOSYS = 38
NOTIFY = 0x7FC00000
STRICTEST_FIRST = [KILL, ERRNO | EPERM, ERRNO | ENOSYS, ERRNO | 95, ERRNO, NOTIFY, ALLOW]


def decide(parts, number, machine):
    """Return the decision of the stricter part, all arguments being 0."""
    return min((run(part, number, machine) for part in parts), key=STRICTEST_FIRST.index)


def run(program, number, machine):
    """Return the decision of a part."""
    data = struct.pack("=iIQ6Q", number, machine, 0, *[0] * 6)
    at = 0
    held = 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            (held,) = struct.unpack_from("=I", data, value)
        elif code == 0x54:
            held &= value
        elif code == 0x05:
            at += value
        else:
            holds = {0x15: held == value, 0x35: held >= value, 0x25: held > value, 0x45: bool(held & value)}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("pretended", ["", syscalls.OWNERS, syscalls.METADATA], ids=["none", "owners", "metadata"])
def test_each_number_has_the_decision_of_its_table(machine, processes, pretended, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    parts = (seccomp._own(processes=processes, pretended=pretended), seccomp._common(processes=processes))
    without_effect = syscalls.numbers(pretended) if pretended else {}
    changes = syscalls.numbers(syscalls.METADATA)
    allowed = syscalls.numbers(syscalls.ALLOWED) | {name: changes[name] for name in changes.keys() - without_effect}
    for number in without_effect.values():
        assert decide(parts, number, MACHINES[machine]) == ERRNO
    listed = dict(allowed)
    for name, table in vars(syscalls).items():
        if name.isupper() and isinstance(table, str):
            listed |= syscalls.numbers(table)
    zygote = seccomp._common(processes=processes)
    for number in (syscalls.numbers(syscalls.OF_THE_ZYGOTE) | syscalls.numbers(syscalls.BY_PROCESS)).values():
        assert run(zygote, number, MACHINES[machine]) == ALLOW
    for number in allowed.values():
        assert decide(parts, number, MACHINES[machine]) == ALLOW
    for number in set(range(600)) - set(listed.values()):
        refused = ENOSYS if number >= 424 else EPERM
        assert decide(parts, number, MACHINES[machine]) == ERRNO | refused
    # What the zygote may do and a program may not
    taken = syscalls.numbers(syscalls.OF_THE_ZYGOTE)
    assert decide(parts, taken["seccomp"], MACHINES[machine]) == ERRNO | EPERM
    assert decide(parts, taken["landlock_restrict_self"], MACHINES[machine]) == ERRNO | ENOSYS
    for name, number in syscalls.numbers(syscalls.BY_PROCESS).items():
        forks = name in ("clone", "fork", "vfork")
        refused = name != "prlimit64" and not processes
        if refused or name == "prctl":
            assert decide(parts, number, MACHINES[machine]) == ERRNO | EPERM
        elif forks:
            assert decide(parts, number, MACHINES[machine]) == NOTIFY
    assert decide(parts, 0, 0x40000003) == KILL
