"""Write the lines in which the process of a program reports on its tests, one line for each.

A line is `key index kind printed payload`; `printed` counts the bytes printed so far. Reports are claims, to be ruled
on outside: the program, in the same process, may come to write some. Kinds: `loaded`, `passed`, `error`, `done`, and
of a value `value` or `other`. No report is repeated, and the supervisor accepts them only in order. Before them a suite
of tests may write `begun`, with a test's name.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from operator import truth
from types import CoroutineType
from typing import Any

from ..codec.canonical import UnencodableError, summarize, type_name
from ..packets import write_all
from ..protocol.steps import LEFT, RIGHT
from ..solution.loading import CompileError, line_in, text_of

_exec = exec  # a program may put a function of its own in its place
_kept: list[Any] = []
"""Coroutines that nothing has awaited: Python would warn where they end, which is in a file of this project."""
Tell = Callable[[int, str, int, str], None]
"""Writes a report: index, kind, bytes printed, payload."""


tellers: list[Callable[[str], None]] = []
"""The function that tells the name of a test of a suite as it begins, while the suite runs."""


class TestFailedError(Exception):
    """A test that ran and did not pass.

    Args:
        message: why, for people.
        name: of the test in its file.
        error: what it raised, instead of a message.
        test: path of the file. The values of its names are kept: a test may go on, as after a failing `subTest`.
    """

    def __init__(self, message: str = "", name: str = "", error: BaseException | None = None, test: str = "") -> None:
        super().__init__(message)
        self.name = name
        self.error = error
        self.values = _values_at(error, test) if error else {}


_compile = compile  # a program may put a function of its own in its place


def open_channel(descriptor: int, key: str) -> Tell:
    """Return a function that writes reports to a file descriptor.

    Only the process that was started with a job reports: a copy of it that the program has forked ends where it would.
    """
    process_id = os.getpid
    end = os._exit
    started = process_id()

    def report(index: int, kind: str, printed: int, payload: str) -> None:
        if process_id() != started:
            end(0)  # a forked copy that has come back from the program's code
        write_all(descriptor, f"{key} {index} {kind} {printed} {payload}\n".encode("utf-8", "backslashreplace"))

    return report


def printed() -> int:
    """Return the bytes on standard output and standard error so far; 0 if the program has closed or replaced them."""
    try:
        sys.stdout.flush()
        return os.lseek(1, 0, os.SEEK_CUR)
    except BaseException:  # noqa: BLE001 - a stream of the program's own may raise anything
        return 0


def returned(value: Any) -> tuple[str, str]:
    """Return kind and payload of the report on a value.

    They are made in any case, so that a program cannot learn what is wanted.

    Returns:
        `value` and its canonical text, or `other` with a type's name and the value's truth: `deque True`.
    """
    try:
        return "value", summarize(value)
    except UnencodableError as error:
        if type(value) is CoroutineType:
            _kept.append(value)
        return "other", f"{error} {_truth(value)}"


def _truth(value: Any) -> str:
    """Return whether a value is true; empty if that raises an error."""
    try:
        return str(truth(value))
    except BaseException:  # noqa: BLE001 - an object of the program's may raise anything
        return ""


def compiled(source: str, filename: str, mode: str = "exec") -> Any:
    """Return the code of a test.

    Args:
        source: of the test, which the supervisor could parse.
        filename: that its errors name.
        mode: `exec` or `eval`.

    Raises:
        TestFailedError: the source is not valid Python, such as a `return` outside of a function.
    """
    try:
        return _compile(source.removeprefix("\ufeff"), filename, mode, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise TestFailedError(f"the test cannot be compiled: {text_of(error)}") from None


def run_source(source: str, path: str, solution: str, names: dict[str, Any]) -> bool:
    """Run a test's source; return whether it has exited by itself, with status 0.

    Raises:
        TestFailedError: it exited with another status.
    """
    code = compiled(source, path)
    try:
        _exec(code, names)
    except SystemExit as error:
        # The program has left in the midst of the test, or by a method that the test calls.
        if line_in(error, solution) is not None or not ("exit" in source or "main" in source):
            raise
        if error.code not in (None, 0, False):
            raise TestFailedError(f"the test exited with status {error.code!r}") from None
        return True
    return False


_PLAIN = (int, float, complex, str, bytes, list, tuple, dict, set, frozenset, type(None))
_MAX_VALUE = 4000
_MAX_MESSAGE = 2000
_MOST_NAMES = 50


def _values_in(names: dict[str, Any]) -> dict[str, str]:
    """Return texts of the values in a frame of a test: the values that an assertion has kept, and plain values."""
    texts = {}
    for name, value in list(names.items())[-_MOST_NAMES:]:
        if name in (LEFT, RIGHT) or isinstance(value, _PLAIN):
            try:
                texts[name] = repr(value)[:_MAX_VALUE]
            except BaseException as error:  # noqa: BLE001 - an object of the program's may raise anything
                texts[name] = f"<{type_name(type(error))} while {type_name(type(value))} was shown>"
    return texts


def _values_at(error: BaseException, test: str) -> dict[str, str]:
    """Return texts of the values in the innermost frame of a test's file that an error has passed."""
    values: dict[str, Any] = {}
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == test:
            values = frame.f_locals
    return _values_in(values)


def _notes(error: BaseException) -> str:
    """Return the texts of the errors in a group, and of an error's notes."""
    try:
        inner = error.exceptions[:3] if isinstance(error, BaseExceptionGroup) else ()
        parts = [f"{type_name(type(each))}: {text_of(each)}" for each in inner]
        return "; ".join([*parts, *getattr(error, "__notes__", ())])
    except BaseException:  # noqa: BLE001 - an attribute of the program's may be anything
        return ""


def describe(error: BaseException, solution: str, test: str) -> str:
    """Return an error as a JSON object: type, message, lines in the solution and in the test, where it was raised.

    Args:
        error: the error.
        solution: path of the solution.
        test: path of the test.
    """
    suite, values = None, _values_at(error, test)
    if type(error) is TestFailedError and error.error:
        suite, values, error = error.name, error.values, error.error
    line = line_in(error, solution)
    test_line = outer_line = None
    innermost = ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        innermost = frame.f_code.co_filename
        if innermost == test:
            test_line = number
            outer_line = outer_line or number
    syntax = isinstance(error, CompileError)
    if isinstance(error, CompileError):
        error = error.cause
    message = text_of(error)[:_MAX_MESSAGE]
    # A syntax error of `eval` in the program is an exception like any other.
    if isinstance(error, SyntaxError) and (syntax or error.filename == solution):
        syntax, line, message = True, error.lineno, str(error.msg)
    facts = {
        "type": type_name(type(error)),
        "bases": [type_name(base) for base in type.mro(type(error))],
        "message": message,
        "notes": _notes(error)[:_MAX_MESSAGE],
        "line": line,
        "test_line": test_line,
        "outer_line": outer_line,
        "in_test": innermost == test,
        "syntax": syntax,
        "suite": suite,
        "values": values,
    }
    return json.dumps(facts)
