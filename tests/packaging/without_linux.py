"""A Python in which this project finds what Windows has: no `fcntl`, no `resource`, no calls of Linux and Unix.

`python -m tests.packaging.without_linux PROGRAM [ARGUMENT ...]`. Hidden from our own modules alone: other packages know
the system that they are on, and their own ways of doing without.
"""

import builtins
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.settings import ROOT

OURS = ("iterpref_core", "tasks", "flows", "__main__")
MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
NAMES: dict[ModuleType, str] = {
    os: "chown fchmod fchown fork forkpty getegid geteuid getgid getloadavg getpgid getpgrp getsid getuid killpg "
    "lchown memfd_create mkfifo nice openpty pidfd_open posix_spawn posix_spawnp pread preadv pwrite "
    "register_at_fork sched_getaffinity sched_setaffinity sendfile set_blocking setpgid setsid splice statvfs sysconf "
    "uname wait wait3 wait4 waitid O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK WEXITED WNOHANG",
    signal: "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGUSR1 SIGUSR2 alarm pidfd_send_signal "
    "pthread_sigmask setitimer",
    socket: "AF_UNIX SCM_RIGHTS socketpair",
    select: "epoll poll",
}


class Reduced(ModuleType):
    """A module as our own modules see it: without some of its names."""

    def __init__(self, whole: ModuleType, absent: str) -> None:
        super().__init__(whole.__name__)
        self._whole, self._absent = whole, frozenset(absent.split())

    def __getattr__(self, name: str) -> Any:
        if name in self._absent:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self._whole, name)


class _Libraries:
    """`ctypes`, whose CDLL(None) Windows does not know."""

    def __init__(self, name: str | None, *_: Any, **__: Any) -> None:
        raise TypeError(f"cannot load {name}")


def hide() -> None:
    """From now on `import` gives our modules no more than Windows has."""
    real = builtins.__import__
    reduced = {module.__name__: Reduced(module, names) for module, names in NAMES.items()}
    reduced["ctypes"] = Reduced(ctypes, "")
    vars(reduced["ctypes"])["CDLL"] = _Libraries

    def find(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> ModuleType:  # noqa: A002
        ours = str((globals or {}).get("__name__", "")).partition(".")[0] in OURS
        if ours and not level and name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        found = real(name, globals, locals, fromlist, level)
        return reduced.get(found.__name__, found) if ours and not level else found

    builtins.__import__ = find  # type: ignore[assignment]


def without_linux(program: str, *arguments: str, cwd: Path) -> str:
    """Run a program so, in a process of its own; returns what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.packaging.without_linux", program, *arguments],
        cwd=cwd,
        env=environment | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


if __name__ == "__main__":
    hide()
    sys.argv = sys.argv[1:]
    exec(compile(sys.argv[0], "<without Linux>", "exec"), {"__name__": "__main__"})
