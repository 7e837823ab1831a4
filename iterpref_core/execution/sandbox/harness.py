"""Test harness: runs one program and its tests in a child that is restricted, and reports over a private channel.

Here are the tests that need no judge beside the program: calls whose values are compared by the supervisor, tests that
a benchmark's own runner runs, and the tests that must share a process with the program (`judged inside`).

A job is a pickled dictionary: `setup`, `code`, and `steps`, a list of `(kind, body)`: see `steps.Step`. A report is a
line `index kind printed payload`, `printed` being the bytes printed so far. A program can write some of its own: they
are claims, to be judged outside. Only the process that was started with a job reports: a copy of it that the program
has forked ends where it would. Kinds: `loaded`, `value`, `passed`, `type` (of a value that cannot be encoded), `error`,
`unfit` (a test that cannot be run), `lost` (the program is), `done`. No report is repeated, and the supervisor accepts
them only in order.
"""

import ast
import functools
import json
import os
import pickle
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

from .console import run_script as run_on_console
from .encoding import UnencodableError, summarize
from .loading import CompileError, facts_of, file_of, load, seed, write_files
from .runners import TEST, TestFailedError, compiled, forget, modules_of, run_pytest, run_script, run_unittest


def _printed() -> int:
    """Return the bytes on standard output and standard error so far; 0 if the program has closed or replaced them."""
    try:
        sys.stdout.flush()
        return os.lseek(1, 0, os.SEEK_CUR)
    except BaseException:  # noqa: BLE001 - a stream of the program's own may raise anything
        return 0


def open_channel(descriptor: int) -> Callable[[int, str, int, str], None]:
    """Return a function that writes reports to a file descriptor."""
    write = os.write
    process_id = os.getpid
    end = os._exit
    started = process_id()

    def report(index: int, kind: str, printed: int, payload: str) -> None:
        if process_id() != started:
            end(0)  # a forked copy that has come back from the program's code
        data = memoryview(f"{index} {kind} {printed} {payload}\n".encode("utf-8", "backslashreplace"))
        while data:
            data = data[write(descriptor, data) :]

    return report


@functools.lru_cache(maxsize=8)
def _expression(source: str) -> types.CodeType:
    return compile(source, TEST, "eval")


def _apply(body: tuple[str, tuple[Any, ...], str], namespace: dict[str, Any]) -> Any:
    """Call a function of the program's with arguments that arrived as values."""
    function, arguments, then = body
    value = eval(_expression(function), namespace)(*arguments)
    return eval(_expression(then), namespace)(value) if then else value


def _run_script(test: dict[str, Any], job: dict[str, Any]) -> None:
    """Run a script beside the solution, which it imports or reads as a file."""
    setup = job["setup"]
    code = job["code"]
    files = {file_of(test["module"]): f"{setup}\n{code}" if setup else code}
    files |= test["files"]
    files |= test["judge_files"]
    write_files("", files)
    sys.path.insert(0, os.getcwd())
    forget(modules_of([*test["files"], *test["judge_files"]]))
    main = types.ModuleType("__main__")
    main.__file__ = test["run"]
    sys.modules["__main__"] = main
    sys.argv = [test["run"]]
    run_script(compiled(test["source"], test["run"]), vars(main))


def _run_by_runner(runner: str, arguments: tuple[Any, ...], code: str) -> Any:
    """Run a program by a benchmark's own runner; return the value that the runner returns."""
    path = os.path.abspath("solution.py")

    def load_it(make_tree: Callable[[], ast.Module], setup: str, name: str) -> dict[str, Any]:
        return vars(load(setup, make_tree, name, path))

    namespace: dict[str, Any] = {"__name__": "runner"}
    exec(compile(runner, "<runner>", "exec"), namespace)
    return namespace["run"](code, load_it, *arguments)


def _returned(value: Any, *, lenient: bool) -> tuple[str, str]:
    """Return the kind and payload of the report of a value."""
    try:
        return "value", summarize(value, lenient=lenient)
    except UnencodableError as error:
        return "type", str(error)


def _run_step(kind: str, body: Any, namespace: dict[str, Any], job: dict[str, Any]) -> tuple[str, str]:
    """Run one step; return the kind and payload of its report."""
    if kind in ("call", "lenient", "equal", "apply"):
        if kind == "apply":
            value = _apply(body, namespace)
        else:
            value = eval(compile(body, TEST, "eval"), namespace)
        return _returned(value, lenient=kind in ("lenient", "apply"))
    if kind == "runner":
        runner, arguments = body
        return _returned(_run_by_runner(runner, arguments, job["code"]), lenient=True)
    if kind == "check":
        exec(compiled(body, TEST), namespace)
    elif kind == "unittest":
        run_unittest(compiled(body, TEST), namespace)
    elif kind == "pytest":
        write_files("", {"test_solution.py": body})
        sys.path.insert(0, os.getcwd())
        run_pytest(os.path.abspath("test_solution.py"))
    elif kind == "script":
        _run_script(body, job)
    return "passed", ""


def describe(error: BaseException, solution: str, test: str, *, compiling: bool = False) -> str:
    """Return an error as a JSON object: type, message, lines in the solution and in the test, where it was raised."""
    innermost = ""
    test_line = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        innermost = frame.f_code.co_filename
        if innermost == test:
            test_line = line
    facts = facts_of(error, solution, compiling=compiling)
    facts["test_line"] = test_line
    # A script test has modules of its own: whatever is not raised in the solution is raised in the test.
    facts["in_test"] = innermost == test or (test != TEST and innermost != solution)
    if type(error) is TestFailedError:
        facts["suite"] = {"raised": error.raised}
    return json.dumps(facts)


def _run_console(job: dict[str, Any], report: Callable[[int, str, int, str], None]) -> int:
    """Run a program on a console, reporting only an error that ends it; return its exit status."""

    def tell(error: BaseException, script: str, compiling: bool) -> None:
        report(0, "error", 0, describe(error, script, TEST, compiling=compiling))

    return run_on_console(job["setup"], job["code"], tell)


def run_job(raw: memoryview, descriptor: int) -> int:
    """Run a job to its end, reporting each step; return the exit status.

    It returns whatever the program did, short of ending the process.
    """
    job = pickle.loads(raw)
    report = open_channel(descriptor)
    seed()
    namespace: dict[str, Any] = {}
    steps: list[tuple[str, Any]] = job["steps"]
    if steps[0][0] == "console":
        return _run_console(job, report)
    index = -1
    solution = os.path.abspath("solution.py")
    test = TEST
    try:
        if any(kind not in ("script", "runner") for kind, _ in steps):
            namespace = vars(load(job["setup"], job["code"]))
        report(-1, "loaded", _printed(), "")
        for index, (kind, body) in enumerate(steps):
            if kind == "script":
                solution = os.path.abspath(file_of(body["module"]))
                test = body["run"]
            kind_said, said = _run_step(kind, body, namespace, job)
            report(index, kind_said, _printed(), said)
        report(len(steps), "done", _printed(), "")
    except CompileError as error:
        report(index, "error", _printed(), describe(error.cause, solution, test, compiling=True))
    except BaseException as error:  # noqa: BLE001 - as above
        report(index, "error", _printed(), describe(error, solution, test))
    return 0
