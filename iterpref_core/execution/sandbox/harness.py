"""Test harness: runs one program and its tests in a child that is restricted, and reports over a private channel.

A job is a JSON object: `setup`, `code`, and `steps`, a list of `[kind, body]`:
- `["call", expression]` and `["lenient", expression]` report the expression's value, `["apply", [function, arguments,
  function of the result]]` that of a call with encoded arguments, `["stdin", text]` what the program prints when it is
  run as a script and reads that text;
- `["exec", statements]` decides nothing, `["raises", statements]` reports what was raised, `["scope", own]` begins a
  test that has names of its own, or, if `own` is empty, ends it;
- `["check", statements]`, `["unittest", source]` and `["script", test]` report whether they passed. A job goes on after
  one that did not: a changed job, in which all must fail, is a job like any other.
With `measure` set to a number of lines, the last report before `done` is the coverage of the code without these first
lines.

A report is a line `index kind printed payload`, `printed` being the bytes printed so far. A program can write some of
its own: they are claims, to be judged outside. Only the process that was started with a job reports: a copy of it that
the program has forked ends where it would. Kinds: `loaded`, `value`, `passed`, `raised`, `type` (of a value that cannot
be encoded), `error`, `coverage`, `done`. No report is repeated, and the supervisor accepts them only in order.
"""

import functools
import json
import os
import random
import sys
import types
from collections.abc import Callable
from typing import Any

from .console import run_as_function
from .encoding import UnencodableError, decode, summarize, type_name
from .measure import Measurement, file_of
from .unittest_suites import TestFailedError, run_script, run_unittest

SOLUTION, SETUP, TEST = "<solution>", "<setup>", "<test>"
MAX_MESSAGE = 2000
INSIDE = ("check", "unittest", "script")

Report = Callable[[int, str, str], None]


def _printed() -> int:
    """Bytes on standard output and standard error so far; 0 if the program has closed or replaced them."""
    try:
        sys.stdout.flush()
        return os.lseek(1, 0, os.SEEK_CUR)
    except BaseException:  # noqa: BLE001 - a stream of the program's own may raise anything
        return 0


def open_channel(descriptor: int) -> Report:
    """A function that writes reports to a file descriptor."""
    write, process_id, end = os.write, os.getpid, os._exit
    own = process_id()

    def report(index: int, kind: str, payload: str) -> None:
        if process_id() != own:
            end(0)  # a forked copy that has come back from the program's code
        data = memoryview(f"{index} {kind} {_printed()} {payload}\n".encode("utf-8", "backslashreplace"))
        while data:
            data = data[write(descriptor, data) :]

    return report


def _message(error: BaseException) -> str:
    try:
        return str(error)[:MAX_MESSAGE]
    except BaseException as inner:  # noqa: BLE001 - the program's own __str__ may do anything; the verdict must not depend on it
        return f"<{type(inner).__name__} while the message was made>"


def _place(error: BaseException, filename: str) -> int | None:
    """The line of the innermost frame of a source file in an error's traceback."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    name = ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        trace = trace.tb_next
    return name


def _raised(source: str, namespace: dict[str, Any]) -> str:
    """Names of the classes of what statements raise, as JSON; empty if they raise nothing."""
    try:
        exec(compile(source, TEST, "exec"), namespace)
    except Exception as error:  # noqa: BLE001 - it is what was asked for
        return json.dumps([type_name(base) for base in type.mro(type(error))])
    return "[]"


def describe(error: BaseException, solution: str, test: str, *, compiling: bool = False) -> str:
    """An error as a JSON object: type, message, lines in the solution and in the test, where it was raised."""
    kind = type(error)
    line, message = _place(error, solution), _message(error)
    syntax = compiling
    if isinstance(error, SyntaxError) and (compiling or error.filename == solution):
        line, message, syntax = error.lineno, str(error.msg), True
    facts = {
        "type": type_name(kind),
        "bases": [type_name(base) for base in type.mro(kind)],
        "message": message,
        "line": line,
        "test_line": _place(error, test),
        "in_test": _innermost(error) == test or (test != TEST and _innermost(error) != solution),
        "syntax": syntax,
        "own": kind is TestFailedError,
        "raised": error.raised if isinstance(error, TestFailedError) else "",
        "failed": error.failed if isinstance(error, TestFailedError) else [],
    }
    return json.dumps(facts)


class _CompileError(Exception):
    """Carries what `compile` raised about the solution."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(cause)
        self.cause = cause


def _load(setup: str, code: Any, filename: str, name: str = "solution") -> dict[str, Any]:
    """Run setup and solution (source, or a tree of it) in a fresh module; returns its namespace."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    namespace = vars(module)
    if setup:
        exec(compile(setup, SETUP, "exec"), namespace)
    try:
        compiled = compile(code, filename, "exec")
    except BaseException as error:  # besides SyntaxError: NUL bytes, surrogates, nesting beyond the parser's stack
        raise _CompileError(error) from error
    exec(compiled, namespace)
    return namespace


@functools.lru_cache(maxsize=8)
def _expression(source: str) -> types.CodeType:
    return compile(source, TEST, "eval")


def _apply(body: tuple[str, str, str], namespace: dict[str, Any]) -> Any:
    """Call a function of the program's with arguments that arrived as values."""
    function, arguments, then = body
    value = eval(_expression(function), namespace)(*decode(arguments))
    return eval(_expression(then), namespace)(value) if then else value


def _run_console(stdin: str, job: dict[str, Any]) -> str:
    """Run the program as a script that reads a text; returns what it prints."""
    try:
        return run_as_function(
            stdin, lambda tree: _load(job["setup"], tree, SOLUTION, "__main__"), job["code"], SOLUTION
        )
    except SyntaxError as error:
        raise _CompileError(error) from error


def _run_step(kind: str, body: Any, namespace: dict[str, Any], job: dict[str, Any]) -> tuple[str, str]:
    """Run one step; returns the kind and payload of its report."""
    if kind in ("call", "lenient", "apply"):
        value = _apply(body, namespace) if kind == "apply" else eval(compile(body, TEST, "eval"), namespace)
        try:
            return "value", summarize(value, lenient=kind != "call")
        except UnencodableError as error:
            return "type", str(error)
    if kind == "stdin":
        return "value", summarize(_run_console(body, job))
    if kind == "raises":
        return "raised", _raised(body, namespace)
    if kind in ("exec", "check"):
        exec(compile(body, TEST, "exec"), namespace)
    elif kind == "unittest":
        run_unittest(body, namespace, TEST)
    elif kind == "script":
        run_script(body, job["setup"], job["code"])
    return "passed", ""


def _file_names(kind: str, body: Any, loaded: str) -> tuple[str, str]:
    """What tracebacks call the solution and the test."""
    if kind != "script":
        return loaded, TEST
    return os.path.join(os.getcwd(), body["module"].replace(".", "/") + ".py"), body["run"]


def run_job(raw: bytes, descriptor: int) -> None:
    """Run a job to its end, reporting each step; returns whatever the program did, short of ending the process."""
    job = json.loads(raw)
    report = open_channel(descriptor)
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    namespace: dict[str, Any] = {}
    steps: list[tuple[str, Any]] = job["steps"]
    index, loaded, test = -1, SOLUTION, TEST
    measurement = None
    if job["measure"] is not None:
        loaded = file_of(steps)
        measurement = Measurement(loaded, job["code"], job["measure"])
    solution = loaded
    try:
        if any(kind not in ("script", "stdin") for kind, _ in steps):
            namespace = _load(job["setup"], job["code"], loaded)
        report(-1, "loaded", "")
        scope = namespace
        for index, (kind, body) in enumerate(steps):
            solution, test = _file_names(kind, body, loaded)
            scope = dict(namespace) if kind == "scope" and body else namespace if kind == "scope" else scope
            try:
                found = _run_step(kind, body, scope, job)
            except BaseException as error:
                if kind not in INSIDE:
                    raise
                found = "error", describe(error, solution, test)
            report(index, *found)
        if measurement is not None:
            report(len(steps), "coverage", measurement.result())
        report(len(steps) + (measurement is not None), "done", "")
    except _CompileError as error:
        report(index, "error", describe(error.cause, solution, test, compiling=True))
    except BaseException as error:  # noqa: BLE001 - as above
        report(index, "error", describe(error, solution, test))
