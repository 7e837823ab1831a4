"""Children of a run and their end: each in a session of its own, so that its whole group can be ended.

The registry is a module of its own because Prefect pickles a served flow's module by value: a list beside the flow
would be a copy. It is also written to `.iterpref/processes.json`, so that the run after a `kill -9` can end what
the killed one left behind.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

import psutil

from iterpref_core.jsonl import atomic_writer
from tasks.common.paths import STATE

GRACE_S = 4.0
"""How long a group has between SIGTERM and SIGKILL."""

_REGISTRY = STATE / "processes.json"
_lock = threading.Lock()
_children: dict[int, subprocess.Popen[str]] = {}


def start(command: Sequence[str], environment: Mapping[str, str], output: IO[str] | int) -> subprocess.Popen[str]:
    """Start a child in its own session, its stdout and stderr going to `output`, and register it."""
    with _lock:
        child = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        _children[child.pid] = child
        _save()
    return child


def forget(child: subprocess.Popen[str]) -> None:
    """Take a child that has ended off the registry."""
    with _lock:
        _children.pop(child.pid, None)
        _save()


def end(child: subprocess.Popen[str]) -> None:
    """End one child and its group, and take it off the registry."""
    _end_groups([child.pid])
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    forget(child)


def end_all() -> None:
    """End every registered child with its group; safe to call more than once."""
    with _lock:
        children = list(_children.values())
    _end_groups([child.pid for child in children])
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_S)
        forget(child)


def end_leftovers() -> int:
    """End what a killed run left behind; returns how many groups that were.

    A group is recognised by its leader's process id *and* start time, so that a reused id is never touched.
    """
    try:
        left = json.loads(_REGISTRY.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return 0
    if _started(left["owner"]["pid"]) == left["owner"]["started"]:
        return 0
    groups = [item["pid"] for item in left["children"] if _started(item["pid"]) == item["started"]]
    _end_groups(groups)
    _REGISTRY.unlink(missing_ok=True)
    return len(groups)


def _end_groups(groups: Sequence[int]) -> None:
    """SIGTERM to the groups; SIGKILL to what is left of them, and of their descendants, after `GRACE_S`."""
    members = _members(frozenset(groups))
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGTERM)
    _, alive = psutil.wait_procs(members, timeout=GRACE_S)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=GRACE_S)


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


def _save() -> None:
    children = [{"pid": pid, "started": _started(pid)} for pid in _children]
    owner = {"pid": os.getpid(), "started": _started(os.getpid())}
    with atomic_writer(_REGISTRY) as file:
        json.dump({"owner": owner, "children": children}, file)
