"""Reports: what the sandbox says about a test, and the errors that it tells apart."""

import json
import traceback
import types
from _blake2 import blake2b  # not `hashlib`, whose OpenSSL makes every fork dearer
from typing import Any

from ..codec.canonical import summarize
from ..codec.plain import UnencodableError
from ..solution.loading import facts_of, text_of

TEST = "<test>"
PASSED_ANYWAY = "PassedAnyway"
"""Name of the exception of an assertion that no right program passes; see `counter_test`."""
NOT_JUDGED = "not judged: "
"""Begins what is said of a test that its judge could not run to the end; the program is not blamed."""
UNREADABLE = "returned what no test can read: "
"""Begins what is said of a program whose answer is too large, or too deep, to reach the test."""
Report = tuple[str, str]
"""Kind and payload: `passed`, `value` (its canonical text) or `type` (of a value that has none)."""
PASSED: Report = ("passed", "")


def signature(key: bytes, index: int, kind: str, payload: str) -> str:
    """Return the signature of a judge's report: a program may come to write to the file of reports, but has no key."""
    return blake2b(f"{index} {kind} {payload}".encode("utf-8", "backslashreplace"), key=key, digest_size=16).hexdigest()


class TestFailedError(Exception):
    """A test that ran and did not pass; the message says which and why.

    Args:
        message: for people.
        raised: name of the type that it raised, if it was no assertion that failed.
    """

    def __init__(self, message: str, raised: str = "") -> None:
        super().__init__(message)
        self.raised = raised


class NotCompiledError(Exception):
    """A test that is no Python."""


def compiled(source: str, filename: str, mode: str = "exec") -> types.CodeType:
    """Return the code of a test.

    Args:
        source: of the test.
        filename: that its errors name.
        mode: `exec` or `eval`.

    Raises:
        NotCompiledError: it is no Python.
    """
    try:
        return compile(source, filename, mode, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        # `invalid syntax (<test>, line 2)` names the file, which nobody else sees.
        reason = text_of(error).partition(" (")[0]
        line = ""
        if isinstance(error, SyntaxError) and error.lineno:
            line = f", line {error.lineno}"
        raise NotCompiledError(f"{type(error).__name__}: {reason}{line}") from None


def returned(value: Any, *, lenient: bool) -> Report:
    """Return the report of a value that a program returned; see `codec.canonical` for `lenient`."""
    try:
        return "value", summarize(value, lenient=lenient)
    except UnencodableError as error:
        return "type", str(error)


def describe(error: BaseException, solution: str, test: str) -> str:
    """Return an error as a JSON object: type, message, lines in the solution and in the test, where it was raised."""
    innermost = ""
    test_line = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        innermost = frame.f_code.co_filename
        if innermost == test:
            test_line = line
    facts = facts_of(error, solution)
    facts["test_line"] = test_line
    # A script test has modules of its own: whatever is not raised in the solution is raised in the test.
    facts["in_test"] = innermost == test or (test != TEST and innermost != solution)
    if type(error) is TestFailedError:
        facts["suite"] = {"raised": error.raised}
    return json.dumps(facts)
