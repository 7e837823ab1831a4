"""Test harness: runs one program and its tests in a child that is restricted, and reports over a private channel.

A job is a pickled dictionary: `setup`, `code`, and `steps`, a list of `(kind, body)`: see `rewriting.Step`. It goes on
after a step that is judged inside and did not pass: a changed job, in which all must fail, is a job like any other.

A report is a line `index kind printed payload`, `printed` being the bytes printed so far. A program can write some of
its own: they are claims, to be judged outside. Only the process that was started with a job reports: a copy of it that
the program has forked ends where it would. Kinds: `loaded`, `value`, `passed`, `raised`, `type` (of a value that cannot
be encoded), `error`, `done`. No report is repeated, and the supervisor accepts them only in order.
"""

import functools
import json
import os
import pickle
import random
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

from . import livecodebench_runner as livecodebench
from .console import run_script as run_on_console
from .encoding import UnencodableError, summarize, type_name
from .unittest_suites import TestFailedError, file_of, message_of, run_script, run_unittest

SOLUTION, SETUP, TEST = "<solution>", "<setup>", "<test>"
MAX_MESSAGE = 2000
INSIDE = ("check", "unittest", "script")


def _printed() -> int:
    """Bytes on standard output and standard error so far; 0 if the program has closed or replaced them."""
    try:
        sys.stdout.flush()
        return os.lseek(1, 0, os.SEEK_CUR)
    except BaseException:  # noqa: BLE001 - a stream of the program's own may raise anything
        return 0


def open_channel(descriptor: int) -> Callable[[int, str, str], None]:
    """A function that writes reports to a file descriptor."""
    write, process_id, end = os.write, os.getpid, os._exit
    started = process_id()

    def report(index: int, kind: str, payload: str) -> None:
        if process_id() != started:
            end(0)  # a forked copy that has come back from the program's code
        data = memoryview(f"{index} {kind} {_printed()} {payload}\n".encode("utf-8", "backslashreplace"))
        while data:
            data = data[write(descriptor, data) :]

    return report


def _raised(source: str, namespace: dict[str, Any]) -> str:
    """Names of the classes of what statements raise, as JSON; empty if they raise nothing."""
    try:
        exec(compile(source, TEST, "exec"), namespace)
    except Exception as error:  # noqa: BLE001 - it is what was asked for
        return json.dumps([type_name(base) for base in type.mro(type(error))])
    return "[]"


def describe(error: BaseException, solution: str, test: str, *, compiling: bool = False) -> str:
    """An error as a JSON object: type, message, lines in the solution and in the test, where it was raised."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    lines, innermost = dict(frames), frames[-1][0] if frames else ""
    line, message = lines.get(solution), message_of(error)[:MAX_MESSAGE]
    syntax = compiling
    if isinstance(error, SyntaxError) and (compiling or error.filename == solution):
        line, message, syntax = error.lineno, str(error.msg), True
    facts = {
        "type": type_name(type(error)),
        "bases": [type_name(base) for base in type.mro(type(error))],
        "message": message,
        "line": line,
        "test_line": lines.get(test),
        "in_test": innermost == test or (test != TEST and innermost != solution),
        "syntax": syntax,
        "suite": vars(error) if type(error) is TestFailedError else None,
    }
    return json.dumps(facts)


class _CompileError(Exception):
    """Carries what `compile` raised about the solution."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(cause)
        self.cause = cause


def _load(setup: str, code: Any, filename: str, name: str = "solution") -> dict[str, Any]:
    """Run setup and solution (source, or what makes a tree of it) in a fresh module; returns its namespace."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    namespace = vars(module)
    if setup:
        exec(compile(setup, SETUP, "exec"), namespace)
    try:
        compiled = compile(code() if callable(code) else code, filename, "exec")
    except BaseException as error:  # besides SyntaxError: NUL bytes, surrogates, nesting beyond the parser's stack
        raise _CompileError(error) from error
    exec(compiled, namespace)
    return namespace


@functools.lru_cache(maxsize=8)
def _expression(source: str) -> types.CodeType:
    return compile(source, TEST, "eval")


def _apply(body: tuple[str, tuple[Any, ...], str], namespace: dict[str, Any]) -> Any:
    """Call a function of the program's with arguments that arrived as values."""
    function, arguments, then = body
    value = eval(_expression(function), namespace)(*arguments)
    return eval(_expression(then), namespace)(value) if then else value


def _run_in_livecodebench(kind: str, body: Any, code: str) -> tuple[str, str]:
    """Run a program by LiveCodeBench's rules; returns the kind and payload of the report."""
    load = functools.partial(_load, livecodebench.NAMES, filename=SOLUTION, name=livecodebench.MODULE)
    if kind == "livecodebench":
        return "value", summarize(livecodebench.run_on_text(body, code, load))
    function, arguments = body
    return _returned(livecodebench.call(function, arguments, code, load), lenient=True)


def _returned(value: Any, *, lenient: bool) -> tuple[str, str]:
    """Return the kind and payload of the report of a value."""
    try:
        return "value", summarize(value, lenient=lenient)
    except UnencodableError as error:
        return "type", str(error)


def _run_step(kind: str, body: Any, namespace: dict[str, Any], job: dict[str, Any]) -> tuple[str, str]:
    """Run one step; returns the kind and payload of its report."""
    if kind in ("call", "lenient", "apply"):
        value = _apply(body, namespace) if kind == "apply" else eval(compile(body, TEST, "eval"), namespace)
        return _returned(value, lenient=kind != "call")
    if kind.startswith("livecodebench"):
        return _run_in_livecodebench(kind, body, job["code"])
    if kind == "raises":
        return "raised", _raised(body, namespace)
    if kind in ("exec", "check"):
        exec(compile(body, TEST, "exec"), namespace)
    elif kind == "unittest":
        run_unittest(body, namespace, TEST)
    elif kind == "script":
        run_script(body, job["setup"], job["code"])
    return "passed", ""


def _run_script(job: dict[str, Any], report: Callable[[int, str, str], None]) -> int:
    """Run a program on a console, reporting only an error that ends it; return its exit status."""

    def tell(error: BaseException, script: str, compiling: bool) -> None:
        report(0, "error", describe(error, script, TEST, compiling=compiling))

    return run_on_console(job["setup"], job["code"], tell)


def run_job(raw: memoryview, descriptor: int) -> int:
    """Run a job to its end, reporting each step; return the exit status.

    It returns whatever the program did, short of ending the process.
    """
    job = pickle.loads(raw)
    report = open_channel(descriptor)
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    namespace: dict[str, Any] = {}
    steps: list[tuple[str, Any]] = job["steps"]
    if steps[0][0] == "console":
        return _run_script(job, report)
    index, solution, test = -1, SOLUTION, TEST
    try:
        if any(kind not in ("script", "livecodebench", "livecodebench_call") for kind, _ in steps):
            namespace = _load(job["setup"], job["code"], SOLUTION)
        report(-1, "loaded", "")
        scope = namespace
        for index, (kind, body) in enumerate(steps):
            is_script = kind == "script"
            solution = os.path.abspath(file_of(body["module"])) if is_script else SOLUTION
            test = body["run"] if is_script else TEST
            scope = dict(namespace) if kind == "scope" and body else namespace if kind == "scope" else scope
            try:
                said = _run_step(kind, body, scope, job)
            except BaseException as error:
                if kind not in INSIDE:
                    raise
                said = "error", describe(error, solution, test)
            report(index, *said)
        report(len(steps), "done", "")
    except _CompileError as error:
        report(index, "error", describe(error.cause, solution, test, compiling=True))
    except BaseException as error:  # noqa: BLE001 - as above
        report(index, "error", describe(error, solution, test))
    return 0
