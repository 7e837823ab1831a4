"""human-eval's way of running one program (openai/human-eval, `execution.py`), for comparison only.

Written anew after its source, with the same costs: a manager process for the result, a process for the program, a
temporary folder, output swallowed, an alarm, and the same list of functions set to None. It is no sandbox.
"""

import builtins
import contextlib
import faulthandler
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, MutableSequence
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any

_TAKEN_AWAY: dict[Any, str] = {
    os: "kill system putenv remove removedirs rmdir fchdir setuid fork forkpty killpg rename renames truncate replace "
    "unlink fchmod fchown chmod chown chroot lchflags lchmod lchown getcwd chdir",
    shutil: "rmtree move chown",
    subprocess: "Popen",
    builtins: "exit quit help",
}
_HIDDEN = ("ipdb", "joblib", "resource", "psutil", "tkinter")
_NEEDED_AT_THE_END = ((shutil, "rmtree"), (os, "rmdir"), (os, "chdir"), (os, "unlink"))


class _Unreadable(io.StringIO):
    """Output goes nowhere, and input cannot be had."""

    def readable(self) -> bool:
        return False

    def read(self, size: int | None = -1, /) -> str:
        raise OSError(f"no input to read {size} of")


class _RedirectStdin(contextlib._RedirectStream[io.StringIO]):  # noqa: SLF001 - as human-eval does it
    _stream = "stdin"


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"signal {number} at line {frame.f_lineno if frame else 0}")

    signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _take_away() -> None:
    faulthandler.disable()
    os.environ["OMP_NUM_THREADS"] = "1"
    for module, names in _TAKEN_AWAY.items():
        for name in names.split():
            setattr(module, name, None)
    for name in _HIDDEN:
        sys.modules[name] = None  # type: ignore[assignment]


def _run(program: str, timeout_s: float, result: MutableSequence[str]) -> None:
    kept = [(module, name, getattr(module, name)) for module, name in _NEEDED_AT_THE_END]
    with tempfile.TemporaryDirectory() as folder:
        home = Path.cwd()
        os.chdir(folder)
        _take_away()
        stream = _Unreadable()
        try:
            with (
                contextlib.redirect_stdout(stream),
                contextlib.redirect_stderr(stream),
                _RedirectStdin(stream),
                _alarm(timeout_s),
            ):
                exec(program, {})
            result.append("passed")
        except TimeoutError:
            result.append("timed out")
        except BaseException as error:  # noqa: BLE001 - whatever the program raises is its result
            result.append(f"failed: {error}")
        for module, name, function in kept:
            setattr(module, name, function)
        os.chdir(home)


def check(program: str, timeout_s: float) -> str:
    """Run a program with its tests: `passed`, `timed out` or `failed: why`."""
    context = get_context("fork")
    with context.Manager() as manager:
        result = manager.list()
        process = context.Process(target=_run, args=(program, timeout_s, result))
        process.start()
        process.join(timeout_s + 1)
        if process.is_alive():
            process.kill()
        return str(result[0]) if result else "timed out"
