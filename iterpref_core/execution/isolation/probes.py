"""Probe each isolation layer in a process of its own: what it must prevent, and what it must allow."""

import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from . import devices, landlock, limits, seccomp
from .cleanup import remove_folder

_OUTSIDE = "/etc/passwd"
"""A file that every Linux has and Python does not need; it must be invisible inside bubblewrap."""


def _landlock(order: dict[str, Any]) -> str:
    mine = os.path.join(order["root"], "mine")
    secret = os.path.join(order["root"], "secret")
    os.mkdir(mine)
    with open(secret, "w") as file:
        file.write("canary")
    limits.refuse_privileges()
    landlock.enforce(landlock.create_ruleset(order["readable"], [mine], ("/dev/null",)))
    with open(os.path.join(mine, "file"), "w") as file:
        file.write("x")
    try:
        with open(secret) as file:
            return f"a file outside could be read ({file.read()})"
    except PermissionError:
        return ""


def _refused(action: Callable[[], Any]) -> bool:
    try:
        action()
    except PermissionError:
        return True
    return False


def _listener(_order: dict[str, Any]) -> str:
    # Programs with processes need a filter with a listener. It fails if a container around this one has a listener.
    limits.refuse_privileges()
    seccomp.Filter(processes=True).own.install()
    return ""


def _seccomp(_order: dict[str, Any]) -> str:
    parent = os.getppid()
    limits.refuse_privileges()
    filters = seccomp.Filter()
    filters.common.install()
    filters.own.install()
    for name, action in (
        ("a process could be made", lambda: os.fork() or os._exit(0)),
        ("a socket could be opened", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        ("another process could be signalled", lambda: os.kill(parent, 0)),
    ):
        if not _refused(action):
            return name
    return ""


def _rlimits(_order: dict[str, Any]) -> str:
    limits.set_common_limits(2**20)
    limits.set_own_limits(5, limits.address_space() + 64 * 2**20)
    try:
        bytearray(128 * 2**20)
    except MemoryError:
        return ""
    return "memory beyond the limit could be had"


def _bwrap(_order: dict[str, Any]) -> str:
    devices.make_read_only()
    if os.path.exists(_OUTSIDE):
        return f"what is outside is visible ({_OUTSIDE})"
    processes = [name for name in os.listdir("/proc") if name.isdigit()]
    if len(processes) > 3:
        return "other processes are visible"
    if {name for _, name in socket.if_nameindex()} - {"lo"}:
        return "network interfaces are visible"
    return ""


_PROBES: dict[str, Callable[[dict[str, Any]], str]] = {
    "bwrap": _bwrap,
    "landlock": _landlock,
    "seccomp": _seccomp,
    "listener": _listener,
    "rlimits": _rlimits,
}


def main() -> None:
    """Read an order (JSON) from standard input; print the problem of a layer, or nothing if it holds.

    The order has `layer`, `root` (a folder for the probe, made here unless it exists) and `readable` (Python's files).
    The folder is removed here, so it does not outlive a supervisor that is killed.
    """
    order = json.load(sys.stdin)
    own = not os.path.isdir(order["root"])
    if own:
        os.mkdir(order["root"], 0o700)
    # The probe restricts a process for good: a child, so that this one can remove the folder.
    pid = os.fork()
    if pid == 0:
        try:
            problem = _PROBES[order["layer"]](order)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            problem = f"{type(error).__name__}: {error}"
        os.write(1, problem.encode())
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if own:
        remove_folder(order["root"])
    sys.exit(status != 0)
