"""Reports: the lines in which the process of a program reports on its tests, one each.

A line is `key index kind printed payload`; `printed` counts the bytes printed so far. Reports are claims, to be ruled
on outside: the program, in the same process, may come to write some. Kinds: `loaded`, `value` (its canonical text),
`type` (of a value that has no such text), `passed`,
`error`, `done`. No report is repeated, and the supervisor accepts them only in order.
"""

import json
import os
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

from ..codec.canonical import Likeness, UnencodableError, summarize
from ..frames import write_all
from ..solution.loading import facts_of, text_of

Report = tuple[str, str]
"""Kind and payload."""
Tell = Callable[[int, str, int, str], None]
"""Writes a report: index, kind, bytes printed, payload."""


class TestFailedError(Exception):
    """A test that ran and did not pass; the message says which and why.

    Args:
        message: for people.
        raised: name of the type that it raised, if it was no assertion that failed.
    """

    def __init__(self, message: str, raised: str = "") -> None:
        super().__init__(message)
        self.raised = raised


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


def returned(value: Any, leniency: Likeness) -> Report:
    """Return the report of a value that a program returned; see `codec.canonical` for the leniency."""
    try:
        return "value", summarize(value, leniency)
    except UnencodableError as error:
        return "type", str(error)


def compiled(source: str, filename: str, mode: str = "exec") -> types.CodeType:
    """Return the code of a test.

    Args:
        source: of the test, which the supervisor could parse.
        filename: that its errors name.
        mode: `exec` or `eval`.

    Raises:
        TestFailedError: it is no Python, such as a `return` outside of a function.
    """
    try:
        return compile(source.removeprefix("\ufeff"), filename, mode, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise TestFailedError(f"the test cannot be compiled: {text_of(error)}") from None


def describe(error: BaseException, solution: str, test: str) -> str:
    """Return an error as a JSON object: type, message, lines in the solution and in the test, where it was raised.

    Args:
        error: the error.
        solution: path of the solution.
        test: path of the test.
    """
    innermost = ""
    test_line = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        innermost = frame.f_code.co_filename
        if innermost == test:
            test_line = line
    facts = facts_of(error, solution)
    facts["test_line"] = test_line
    facts["in_test"] = innermost == test
    if type(error) is TestFailedError:
        facts["suite"] = {"raised": error.raised}
    return json.dumps(facts)
