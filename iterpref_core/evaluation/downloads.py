"""Benchmark downloads by a benchmark's own package, which knows no limit of time."""

import os
import subprocess
import sys
import time
from pathlib import Path

from iterpref_core.errors import DataUnavailableError
from iterpref_core.storage.jsonl import atomic_writer

CONNECT_S = 8
"""Longest wait for a server's next word."""
DOWNLOAD_S = 180.0
"""Longest download of one file; the largest has some 5 MB."""
RETRY_S = 600.0
"""How long a failed download is believed: one experiment evaluates many models, and each would wait again."""


def downloaded(target: Path, script: str, what: str, remedy: str) -> Path:
    """The file, downloaded where it is not there, whole or not at all.

    Args:
        target: where it belongs.
        script: Python, run in a process of its own, that writes the file named `target`.
        what: it is, for people.
        remedy: what to do where it cannot be had.

    Raises:
        DataUnavailableError: it cannot be had here.
    """
    unreachable = target.with_name(f"{target.name}.unreachable")
    if target.is_file():
        return target.resolve()
    if unreachable.is_file() and time.time() - unreachable.stat().st_mtime < RETRY_S:
        reason = unreachable.read_text(encoding="utf-8")
    elif not (reason := _run(target, script)):
        return target.resolve()
    else:
        with atomic_writer(unreachable) as file:
            file.write(reason)
    raise DataUnavailableError(f"{what} is neither cached here nor could it be downloaded ({reason}); {remedy}")


def _run(target: Path, script: str) -> str:
    """Why a file could not be downloaded, or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{os.getpid()}.{target.name}")
    preamble = f"import socket, sys; socket.setdefaulttimeout({CONNECT_S}); target = sys.argv[1]\n"
    command = [sys.executable, "-W", "ignore", "-c", preamble + script, str(temporary)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
        if done.returncode == 0:
            temporary.replace(target)
            return ""
        return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        return f"no complete answer within {DOWNLOAD_S:.0f} s"
    finally:
        temporary.unlink(missing_ok=True)
