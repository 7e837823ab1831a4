"""Prepare the interpreter of a zygote, before it forks: what is done here is not done again for each program."""

import importlib
import os
import sys
from collections.abc import Iterable
from typing import Any

from ..isolation.cleanup import empty_folder
from . import forked_program

_PRELOADED = ("array", "dataclasses", "datetime", "heapq", "queue", "statistics", "string", "textwrap", "typing")
"""Modules that every program finds loaded; `statistics` imports `decimal`, `fractions`, `random` and others."""


def preload(names: Iterable[str], site: Iterable[str]) -> None:
    """Import modules that programs are likely to need.

    A broken one, such as a plugin of pytest in an environment, fails where it is needed.

    Raises:
        ModuleNotFoundError: one is absent.
    """
    sys.path += site
    for name in (*_PRELOADED, *names):
        try:
            importlib.import_module(name)
        except Exception as error:
            if getattr(error, "name", None) == name:
                raise
    # `exit`, `copyright`, `help` and others: Python's option `-S` leaves them out.
    site_of_python = importlib.import_module("site")
    for define in (site_of_python.setquit, site_of_python.setcopyright, site_of_python.sethelper):
        define()


def ask_before_times() -> None:
    """Let `os.utime` fail if the file is absent, so that `Path.touch` makes the file; seccomp pretends success."""
    utime = os.utime

    def ask_first(path: Any, *args: Any, **named: Any) -> None:
        os.stat(path, dir_fd=named.get("dir_fd"))
        utime(path, *args, **named)

    os.utime = ask_first


def prepare_runners(folder: str, *, pytest: bool) -> None:
    """Import the runners of tests that run inside, and open a session of pytest if it is wanted.

    Args:
        folder: folder of the programs, which does not exist yet.
        pytest: open the session.
    """
    from .runners.modules import run_script, run_unittest
    from .runners.pytest_runner import prepare_pytest, run_pytest_file

    forked_program.runners.update(unittest=run_unittest, pytest=run_pytest_file, script=run_script)
    if not pytest:
        return
    # The same folders as in `forked_program.Child`
    code_folder = os.path.join(os.path.dirname(folder), "code")
    os.mkdir(code_folder)
    os.mkdir(folder)
    os.chdir(folder)
    prepare_pytest(f"{code_folder}/test_solution.py")
    os.chdir("/")
    empty_folder(os.path.dirname(folder))
