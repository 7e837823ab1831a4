"""Program: the side of a judged program that runs it and answers the judge.

It sees the solution, its setup and the files that a test shares with it; of the test it sees the requests alone.
"""

import contextlib
import os
import pickle
import sys
import types
import warnings
from typing import Any

from ...solution.loading import CompileError, facts_of, file_of, line_in, load, write_files
from .connection import Connection

_AT_HAND = frozenset({types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type})
"""Types of the names that a test is told of at once."""


class _Program:
    """The operations that a judge asks of a program."""

    def __init__(self, job: dict[str, Any], connection: Connection) -> None:
        self._job = job
        self._connection = connection
        self._modules: dict[str, types.ModuleType] = {}

    def prepare(self, module: str, shared: dict[str, str]) -> None:
        """Write the files that a script test shares with the program, and the solution where it is imported from.

        Files of the test win: its author may have one of the solution's name.
        """
        write_files("", {file_of(module): self._job["code"], **shared})
        sys.path.insert(0, os.getcwd())

    def load(self, name: str) -> tuple[dict[str, Any] | None, dict[str, Any], set[str]]:
        """Run the solution.

        Returns:
            The error as facts, or None; its functions, classes and modules by name; the names that it defines besides.
        """
        solution = os.path.abspath(file_of(name))
        try:
            module = load(self._job["setup"], self._job["code"], name)
        except CompileError as error:
            return facts_of(error.cause, solution, compiling=True), {}, set()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the answer
            return facts_of(error, solution), {}, set()
        self._modules[name] = module
        at_hand: dict[str, Any] = {}
        others: set[str] = set()
        for key, value in vars(module).items():
            if str(key).startswith("__"):
                continue
            if type(value) in _AT_HAND:
                at_hand[str(key)] = value
            else:
                others.add(str(key))
        return None, at_hand, others

    def listed(self, name: str) -> list[str]:
        """Return the names that `from solution import *` brings."""
        known = vars(self._modules[name])
        listed = known.get("__all__", [each for each in known if not each.startswith("_")])
        return [str(each) for each in listed]

    @staticmethod
    def surroundings(change: str, *args: Any) -> None:
        """Make a change that the test has made in its own process, and that is meant for the program too."""
        if change == "putenv":
            os.environ[args[0]] = args[1]
        elif change == "unsetenv":
            os.environ.pop(args[0], None)
        elif change == "setrecursionlimit":
            sys.setrecursionlimit(args[0])

    @staticmethod
    def pickled(value: Any) -> bytes:
        """Return a value as pickle writes it."""
        return pickle.dumps(value)

    @staticmethod
    def unpickled(data: bytes) -> Any:
        """Return the value that the program itself has pickled."""
        return pickle.loads(data)

    def get(self, name: str, attribute: str) -> Any:
        """Return an attribute of the solution's module."""
        return getattr(self._modules[name], attribute)

    def set(self, name: str, attribute: str, value: Any) -> None:
        """Set one."""
        setattr(self._modules[name], attribute, value)

    def delete(self, name: str, attribute: str) -> None:
        """Delete one."""
        delattr(self._modules[name], attribute)


def _forward_warnings(connection: Connection) -> None:
    """Have warnings appear in the test, whose filters decide about them."""

    def show(message: Any, _category: Any, filename: str, line: int, *_rest: Any) -> None:
        connection.ask("warn", None, "", (message, os.path.basename(filename), line))

    warnings.simplefilter("always")
    setattr(warnings, "showwarning", show)  # noqa: B010 - as the documentation of `warnings` has it


def _forward_logs(connection: Connection) -> None:
    """Have records of `logging` appear in the test, whose levels and handlers decide about them."""
    import logging

    enabled = logging.Logger.isEnabledFor
    call = logging.Logger.callHandlers

    def is_enabled(self: Any, level: int) -> bool:
        return enabled(self, level) or bool(connection.ask("log_enabled", None, "", (self.name, level)))

    def call_handlers(self: Any, record: Any) -> None:
        if self.handlers or logging.root.handlers:
            call(self, record)
        facts = (
            self.name,
            record.levelno,
            record.getMessage(),
            record.lineno,
            record.funcName,
        )
        connection.ask("log", None, "", facts)

    logging.Logger.isEnabledFor = is_enabled  # type: ignore[method-assign]
    logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign]


def serve_program(job: dict[str, Any], connection: Connection) -> None:
    """Answer a judge, to which a connection is connected, until it is done; never returns."""
    files = {os.path.abspath(file_of(name)) for name in job["modules"]}

    def line_of(error: BaseException) -> int | None:
        lines = [line_in(error, path) for path in files]
        return next((line for line in lines if line is not None), None)

    connection.line_of = line_of
    program = _Program(job, connection)
    streams = (sys.stdout, sys.stderr)
    end = os._exit

    def flush() -> None:
        for stream in streams:
            with contextlib.suppress(Exception):  # the program may have closed it
                stream.flush()

    connection.before_sending = flush
    named = ("prepare", "load", "listed", "get", "set", "delete", "surroundings", "pickled", "unpickled")
    connection.operations = {name: getattr(program, name) for name in named}
    _forward_warnings(connection)
    if job["logs"]:
        _forward_logs(connection)
    try:
        if job["eager"]:
            connection.answer_unasked("load", "solution")
        connection.serve()
    finally:
        flush()
        end(0)
