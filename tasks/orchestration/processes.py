"""Child processes and their end: each in a session of its own, so that its whole group can be ended.

The registry is a module of its own because Prefect pickles a served flow's module by value: a list beside the flow
would be a copy. It is also written to `.iterpref/processes/`, so that the run after a `kill -9` can end what the
killed one left behind.
"""

import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from iterpref_core.storage.jsonl import atomic_writer
from tasks.common.paths import STATE
from tasks.orchestration.stage_environment import home

GRACE_S = 4.0
"""How long a group has between SIGTERM and SIGKILL."""

_lock = threading.Lock()
_children: dict[int, subprocess.Popen[bytes]] = {}
_services: set[int] = set()


def start(
    command: Sequence[str],
    environment: Mapping[str, str],
    output: IO[bytes] | int = subprocess.PIPE,
    *,
    service: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a child in its own session and register it.

    Args:
        command: program and arguments.
        environment: the child's whole environment.
        output: where its stdout and stderr go.
        service: it outlives the stages; `end_stages` leaves it alone.
    """
    with _lock:
        child = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _children[child.pid] = child
        if service:
            _services.add(child.pid)
        _save()
    return child


def end(child: subprocess.Popen[bytes]) -> None:
    """End a child and what is left of its group, also where it has ended itself, and take it off the registry.

    The group of a child that was killed is still its own: the kernel gives its number to no other while one lives.
    """
    _end_groups([child.pid])
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    with _lock:
        _children.pop(child.pid, None)
        _save()


def end_stages() -> None:
    """End every child that is no service, with its group; safe to call more than once."""
    with _lock:
        children = [child for child in _children.values() if child.pid not in _services and child.poll() is None]
    _end_groups([child.pid for child in children])
    for child in children:
        end(child)


def end_leftovers(*, services: bool = True) -> int:
    """End what a killed run left behind, its services or only its stages; returns how many groups that were.

    A group is recognized by its leader's process id *and* start time, so that a reused id is never touched.
    """
    groups: list[int] = []
    for path in _registry().glob("*.json"):
        left = json.loads(path.read_text(encoding="utf-8"))
        if _started(left["owner"]["pid"]) != left["owner"]["started"]:
            children = [item for item in left["children"] if services or not item.get("service")]
            groups += [item["pid"] for item in children if _started(item["pid"]) == item["started"]]
            if len(children) == len(left["children"]):
                path.unlink(missing_ok=True)
    _end_groups(groups)
    _wait_reaped(groups)
    return len(groups)


def _end_groups(groups: Sequence[int]) -> None:
    """SIGTERM to the groups and their descendants; SIGKILL to what is left of them after `GRACE_S`."""
    members = _members(frozenset(groups))
    for process in members:
        with suppress(psutil.Error):
            process.terminate()
    for process in _wait(members):
        with suppress(psutil.Error):
            process.kill()
    _wait(members)


def _wait_reaped(orphans: Sequence[int]) -> None:
    """Wait until the system's first process has reaped them: for DVC, whoever has a process id is alive."""
    deadline = time.monotonic() + GRACE_S
    while any(map(psutil.pid_exists, orphans)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _wait(members: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Wait up to `GRACE_S` for processes to end; returns those that have not.

    A zombie counts as ended. It is left for its parent: reaping our own children here (as `psutil.wait_procs` does)
    would make `subprocess` believe that they ended well.
    """
    deadline = time.monotonic() + GRACE_S
    while alive := [process for process in members if _runs(process)]:
        if time.monotonic() > deadline:
            return alive
        time.sleep(0.05)
    return []


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _members(groups: frozenset[int]) -> list[psutil.Process]:
    """The processes of the groups, and their descendants in sessions of their own (a sandbox's, for example)."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.Error):
            if os.getpgid(process.pid) in groups:
                found.update({child.pid: child for child in process.children(recursive=True)})
                found[process.pid] = process
    return list(found.values())


def _started(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _registry() -> Path:
    """One for a workspace and its copies, so that the next run finds what any of them left."""
    return home() / STATE / "processes"


def _save() -> None:
    path = _registry() / f"{os.getpid()}.json"
    if not _children:
        path.unlink(missing_ok=True)
        return
    children = [{"pid": pid, "started": _started(pid), "service": pid in _services} for pid in _children]
    owner = {"pid": os.getpid(), "started": _started(os.getpid())}
    with atomic_writer(path) as file:
        json.dump({"owner": owner, "children": children}, file)
