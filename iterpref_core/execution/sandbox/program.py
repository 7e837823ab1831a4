"""Program: the side of a judged program that runs it and answers the judge.

It sees the solution, its setup and the files that a test shares with it; of the test it sees what the test asks it for.
"""

import contextlib
import os
import random
import sys
import traceback
import types
import warnings
from typing import Any

from .encoding import type_name
from .peer import Peer, text_of
from .wire import Wire

MAX_MESSAGE = 2000
SETUP = "<setup>"


class CompileError(Exception):
    """Carries what `compile` raised about the solution."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(cause)
        self.cause = cause


class _Source:
    """A module's loader, as far as others ask one: `inspect` for the source."""

    def __init__(self, code: str) -> None:
        self._code = code

    def get_source(self, _name: str) -> str:
        return self._code


def file_of(module: str) -> str:
    """Return where a module is imported from."""
    return module.replace(".", "/") + ".py"


def load(setup: str, code: Any, name: str = "solution", filename: str = "") -> types.ModuleType:
    """Run setup and solution in a fresh module, as an import of the solution would.

    Args:
        setup: source to run before the solution; a `from __future__` of the solution still comes first in it.
        code: the solution: source, or what makes a tree of it.
        name: of the module.
        filename: where it seems to be; by default where it is imported from.

    Raises:
        CompileError: the solution is no Python.
    """
    module = types.ModuleType(name)
    namespace = vars(module)
    filename = namespace["__file__"] = filename or os.path.abspath(file_of(name))
    parent, _, last = name.rpartition(".")
    namespace["__package__"] = parent
    if parent:
        package = __import__(parent, fromlist=["*"])
        if name in sys.modules:
            return sys.modules[name]
        setattr(package, last, module)
    sys.modules[name] = module
    if setup:
        exec(compile(setup, SETUP, "exec", dont_inherit=True), namespace)
    try:
        source = code() if callable(code) else code.removeprefix("\ufeff")
        compiled = compile(source, filename, "exec", dont_inherit=True)
    except BaseException as error:  # besides SyntaxError: NUL bytes, surrogates, nesting beyond the parser's stack
        raise CompileError(error) from error
    if not callable(code):
        namespace["__loader__"] = _Source(code)
    exec(compiled, namespace)
    return module


def line_in(error: BaseException, solution: str) -> int | None:
    """Return the innermost line of the solution that an error passed."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == solution:
            found = line
    return found


def facts_of(error: BaseException, solution: str, *, compiling: bool = False) -> dict[str, Any]:
    """Return what is to be told of an error: its type, message, line in the solution."""
    line, message, syntax = line_in(error, solution), text_of(error)[:MAX_MESSAGE], compiling
    if isinstance(error, SyntaxError) and (compiling or error.filename == solution):
        line, message, syntax = error.lineno, str(error.msg), True
    return {
        "type": type_name(type(error)),
        "bases": [type_name(base) for base in type.mro(type(error))],
        "message": message,
        "line": line,
        "test_line": None,
        "in_test": False,
        "syntax": syntax,
        "suite": None,
    }


class _Program:
    """The operations that a judge asks of a program."""

    def __init__(self, job: dict[str, Any], peer: Peer) -> None:
        self._job, self._peer = job, peer
        self._modules: dict[str, types.ModuleType] = {}

    def prepare(self) -> None:
        """Write the files that are shared with the test, and the solution where it is imported from."""
        for name, text in self._job["files"].items():
            if os.path.dirname(name):
                os.makedirs(os.path.dirname(name), exist_ok=True)
            with open(name, "w", encoding="utf-8") as file:
                file.write(text)
        sys.path.insert(0, os.getcwd())

    def load(self, name: str) -> dict[str, Any] | None:
        """Run the solution; returns what went wrong, or None."""
        solution = os.path.abspath(file_of(name))
        try:
            self._modules[name] = load(self._job["setup"], self._job["code"], name)
        except CompileError as error:
            return facts_of(error.cause, solution, compiling=True)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the answer
            return facts_of(error, solution)
        return None

    def names(self, name: str, wanted: list[str]) -> dict[str, Any]:
        """Return those of the names that the solution defines."""
        known = vars(self._modules[name])
        return {each: known[each] for each in wanted if each in known}

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

    def delete(self, name: str, attribute: str) -> None:
        """Delete one."""
        delattr(self._modules[name], attribute)


def _forward_warnings(peer: Peer) -> None:
    """Have warnings appear in the test, whose filters decide about them."""

    def show(message: Any, _category: Any, filename: str, line: int, *_rest: Any) -> None:
        peer.ask("warn", None, "", (message, os.path.basename(filename), line))

    warnings.simplefilter("always")
    setattr(warnings, "showwarning", show)  # noqa: B010 - as the documentation of `warnings` has it


def _forward_logs(peer: Peer) -> None:
    """Have records of `logging` appear in the test, whose levels and handlers decide about them."""
    import logging

    enabled, call = logging.Logger.isEnabledFor, logging.Logger.callHandlers

    def is_enabled(self: Any, level: int) -> bool:
        return enabled(self, level) or bool(peer.ask("log_enabled", None, "", (self.name, level)))

    def call_handlers(self: Any, record: Any) -> None:
        if self.handlers or logging.root.handlers:
            call(self, record)
        peer.ask("log", None, "", (self.name, record.levelno, record.getMessage(), record.lineno, record.funcName))

    logging.Logger.isEnabledFor = is_enabled  # type: ignore[method-assign]
    logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign]


def seed() -> None:
    """Seed the generators, so that a program does the same each time."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)


def serve_program(job: dict[str, Any], descriptor: int) -> None:
    """Answer a judge until it is done; never returns."""
    seed()
    files = {os.path.abspath(file_of(name)) for name in job["modules"]}

    def line_of(error: BaseException) -> int | None:
        lines = [line_in(error, path) for path in files]
        return next((line for line in lines if line is not None), None)

    peer = Peer(Wire(descriptor), judge=False, line_of=line_of)
    program, streams, end = _Program(job, peer), (sys.stdout, sys.stderr), os._exit

    def flush() -> None:
        for stream in streams:
            with contextlib.suppress(Exception):  # the program may have closed it
                stream.flush()

    peer.before_sending = flush
    peer.operations = {
        name: getattr(program, name) for name in ("prepare", "load", "names", "listed", "get", "set", "delete")
    }
    _forward_warnings(peer)
    if job["logs"]:
        _forward_logs(peer)
    try:
        peer.serve()
    finally:
        flush()
        end(0)
