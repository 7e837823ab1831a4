"""Pretended system calls: seccomp lets `chmod` and `utime` seem to succeed even on an absent file; so ask for it first.

Not so the filter for programs with processes of their own. `Path.touch` makes a file only if its time could not be set.
"""

import functools
import os
from collections.abc import Callable
from typing import Any


def _asking_first(call: Callable[..., None]) -> Callable[..., None]:
    stat = os.stat

    @functools.wraps(call)
    def asking(path: Any, *args: Any, dir_fd: int | None = None, follow_symlinks: bool = True, **named: Any) -> None:
        stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        call(path, *args, dir_fd=dir_fd, follow_symlinks=follow_symlinks, **named)

    return asking


def ask_first() -> None:
    """Replace both functions of `os` by ones that raise `FileNotFoundError` where they should."""
    for name in ("chmod", "utime"):
        call = getattr(os, name)
        asking = _asking_first(call)
        for supported in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if call in supported:
                supported.add(asking)
        setattr(os, name, asking)
