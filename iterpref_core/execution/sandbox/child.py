"""Child: runs one program and its tests in a child that is restricted, and reports over a private channel.

Here are the tests that need no judge beside the program: calls whose values are compared by the supervisor, tests that
a benchmark's own runner runs, and the tests that must share a process with the program (`judged inside`).

A job is a pickled dictionary: `setup`, `code`, and `steps`, a list of `(kind, body)`: see `kinds.kind.Step`. A report
is a line `index kind printed payload`, `printed` being the bytes printed so far. A program can write some of its own:
they are claims, to be judged outside. Only the process that was started with a job reports: a copy of it that the
program has forked ends where it would. Kinds: `loaded`, `value`, `passed`, `type` (of a value that cannot be encoded),
`error`, `unfit` (a test that cannot be run), `lost` (the program is), `done`. No report is repeated, and the supervisor
accepts them only in order.
"""

import os
import pickle
import sys
from collections.abc import Callable
from typing import Any

from ..frames import write_all
from ..kinds.reports import TEST, describe
from ..kinds.table import KINDS
from ..solution.loading import file_of, load


def _printed() -> int:
    """Return the bytes on standard output and standard error so far; 0 if the program has closed or replaced them."""
    try:
        sys.stdout.flush()
        return os.lseek(1, 0, os.SEEK_CUR)
    except BaseException:  # noqa: BLE001 - a stream of the program's own may raise anything
        return 0


def open_channel(descriptor: int) -> Callable[[int, str, int, str], None]:
    """Return a function that writes reports to a file descriptor."""
    process_id = os.getpid
    end = os._exit
    started = process_id()

    def report(index: int, kind: str, printed: int, payload: str) -> None:
        if process_id() != started:
            end(0)  # a forked copy that has come back from the program's code
        write_all(descriptor, f"{index} {kind} {printed} {payload}\n".encode("utf-8", "backslashreplace"))

    return report


class Child:
    """The process of a program, in which its tests run.

    Attributes:
        setup: source to run before the program.
        code: the program.
        namespace: the names of the program's module, once it is loaded.
    """

    def __init__(self, setup: str, code: str) -> None:
        self.setup = setup
        self.code = code
        self.namespace: dict[str, Any] = {}


def run_job(raw: memoryview, descriptor: int) -> int:
    """Run a job to its end, reporting each step; return the exit status.

    It returns whatever the program did, short of ending the process.
    """
    job = pickle.loads(raw)
    report = open_channel(descriptor)
    child = Child(job["setup"], job["code"])
    steps = [(KINDS[name], body) for name, body in job["steps"]]
    first, _ = steps[0]
    if first.takes_process:
        return first.run_process(child.setup, child.code, report)
    index = -1
    folder = os.getcwd()  # the program may remove it
    module = "solution"
    test = TEST
    try:
        if not all(kind.loads_itself for kind, _ in steps):
            child.namespace = vars(load(child.setup, child.code))
        report(-1, "loaded", _printed(), "")
        for index, (kind, body) in enumerate(steps):
            module, test = kind.files(body)
            kind_said, said = kind.run(body, child)
            report(index, kind_said, _printed(), said)
        report(len(steps), "done", _printed(), "")
    except BaseException as error:  # noqa: BLE001 - as above
        report(index, "error", _printed(), describe(error, f"{folder}/{file_of(module)}", test))
    return 0
