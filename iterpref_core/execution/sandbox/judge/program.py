"""Program: the side of a judged program that runs it and answers the judge.

It sees the solution, its setup and the files that a test shares with it; of the test it sees the requests alone.
"""

import contextlib
import functools
import os
import sys
import types
from typing import Any

from ...solution.loading import facts_of, file_of, line_in, load, write_files
from .peer import Program
from .wire import Wire


class _Operations:
    """The operations that a judge asks of a program, besides those with values."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._modules: dict[str, types.ModuleType] = {}
        self._files: list[str] = []

    def prepare(self, module: str, shared: dict[str, str]) -> None:
        """Write the files that a script test shares with the program, and the solution where it is imported from.

        Files of the test win: its author may have one of the solution's name.
        """
        write_files("", {file_of(module): self._job["code"], **shared})
        sys.path.insert(0, os.getcwd())

    def load(self, name: str) -> tuple[dict[str, Any] | None, list[str]]:
        """Run the solution; return the error as facts, or None, and the names that it defines."""
        solution = f"{os.getcwd()}/{file_of(name)}"
        self._files.append(solution)
        try:
            module = load(self._job["setup"], self._job["code"], name)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the answer
            return facts_of(error, solution), []
        self._modules[name] = module
        return None, [str(key) for key in vars(module)]

    def line_of(self, error: BaseException) -> int | None:
        """Return the line of the solution in which an error was raised."""
        lines = [line_in(error, path) for path in self._files]
        return next((line for line in lines if line is not None), None)

    def listed(self, name: str) -> list[str]:
        """Return the names that `from solution import *` brings."""
        known = vars(self._modules[name])
        listed = known.get("__all__", [each for each in known if not each.startswith("_")])
        return [str(each) for each in listed]

    def get(self, name: str, attribute: str) -> Any:
        """Return an attribute of the solution's module."""
        return getattr(self._modules[name], attribute)

    def set(self, name: str, attribute: str, value: Any) -> None:
        """Set one."""
        setattr(self._modules[name], attribute, value)


def _flush(streams: tuple[Any, Any]) -> None:
    for stream in streams:
        with contextlib.suppress(Exception):  # the program may have closed it
            stream.flush()


def serve_program(job: dict[str, Any], descriptor: int) -> None:
    """Be the program, and answer the judge at the other end of a connection until it is done; never returns."""
    end = Program(Wire(descriptor))
    end.before_sending = functools.partial(_flush, (sys.stdout, sys.stderr))
    operations = _Operations(job)
    end.objects.line_of = operations.line_of
    for name in ("prepare", "load", "listed", "get", "set"):
        end.operations[name] = getattr(operations, name)
    leave = os._exit
    try:
        while True:
            end.serve_next()
    finally:
        end.before_sending()
        leave(0)
