"""Run one program and its tests in a restricted process, and report over a private channel.

All tests of a program share the process, in their order: a change by the program or by a test is there for
the next test, as in Python itself. `protocol.steps` describes the steps, and `sandbox.reports` the reports of them.
"""

import builtins
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from types import ModuleType
from typing import Any

from ..protocol.steps import ProgramMessage, SandboxStep, unpacked, unpacked_turn
from ..solution.console import run_script
from ..solution.loading import file_of, load, write_file, write_files
from .reports import compiled, describe, open_channel, printed, returned, run_source, tellers

runners: dict[str, Callable[[SandboxStep, str, str, dict[str, Any]], None]] = {}
"""The functions that run tests inside, by runner, in a zygote that has been asked for them. Each takes a step, the path
of its file, the path of the solution and the names that the test sees, and raises an error if the test fails."""
# A program may put a function of its own in its place.
_eval = eval
_PYTHON = {"__builtins__": dict(vars(builtins))}
"""Python's own names, whatever the program binds to them."""
_OF_A_MODULE = frozenset(vars(ModuleType(""))) | {"__builtins__", "__file__"}
"""Names that every module has."""


def _new_module(name: str, path: str) -> dict[str, Any]:
    """Return the names of a fresh module for a test; it is in `sys.modules`, so that its objects can be pickled."""
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    return vars(module)


class Child:
    """The process of a program and its tests.

    Args:
        message: the program and the steps of its tests.

    Attributes:
        folder: the working folder, with the files of scripts; the program may remove it.
        code_folder: next to it, with the files of the program and of its other tests.
    """

    def __init__(self, message: ProgramMessage) -> None:
        self.folder = os.getcwd()
        self.code_folder = f"{os.path.dirname(self.folder)}/code"
        self._message = message
        self._solution: dict[str, Any] = {}
        # The names that `assert` tests share, and those of them that were copied from the solution
        self._shared: dict[str, Any] = {}
        self._copied: dict[str, Any] = {}

    def load(self) -> None:
        """Put the program where tests import it from, and run it, but for those tests that import it themselves."""
        sys.path[:0] = [self.folder, self.code_folder]
        setup, code, modules, *_ = self._message
        for module, for_script in modules:
            path = self.file(module, for_script)
            if for_script:
                write_files({path: f"{setup}\n{code}" if setup else code})
            else:
                write_file(path, code)
                self._solution = vars(load(setup, code, path))

    def _names(self, step: SandboxStep) -> dict[str, Any]:
        """Return the names that a test sees; see `protocol.steps.Runner`."""
        if step.runner == "call" and not self._shared:
            return self._solution
        own = {name: value for name, value in self._solution.items() if name not in _OF_A_MODULE}
        if step.runner in ("call", "assert"):
            self._shared = self._shared or _new_module("__main__", "test_solution.py")
            # A name that a test has bound, such as its helper `check`, stays until the solution binds the name anew.
            new = [name for name in own if name not in self._copied or self._copied[name] is not own[name]]
            self._shared.update({name: own[name] for name in new})
            self._copied = own
            return self._shared
        names = _new_module("test_solution" if step.runner == "pytest" else "__main__", self.path(step))
        if step.runner == "unittest":
            names.update(own)
        return names

    def path(self, step: SandboxStep) -> str:
        """Return the path of a test's own file."""
        return f"{self.folder}/{step.path}" if step.runner == "script" else f"{self.code_folder}/test_solution.py"

    def file(self, module: str, for_script: bool) -> str:
        """Return the path of the program's file, by the name that it is imported by."""
        return f"{self.folder if for_script else self.code_folder}/{file_of(module)}"

    def run(self, step: SandboxStep, path: str, solution: str) -> tuple[str, str]:
        """Return kind and payload of the report on a step; an error of the program, or of the test, is raised.

        Args:
            step: of a test.
            path: of the test.
            solution: path of the program's file.
        """
        names = self._names(step)
        if step.runner == "assert":
            run_source(step.source, path, solution, names)
        elif step.is_inside:
            runners[step.runner](step, path, solution, names)
        else:
            value = _eval(compiled(step.source, path, "eval"), names)
            if step.arguments is not None:
                value = value(*step.arguments)
            if step.then:
                value = _eval(compiled(step.then, path, "eval"), _PYTHON)(value)
            return returned(value)
        return "passed", ""


def run_job(job: int, channel: int, asking: int, answers: int) -> int:
    """Run a job to its end, reporting each step; return the exit status.

    It returns in any case, unless the program ends the process.

    Args:
        job: descriptor of the file that begins with the message.
        channel: descriptor of the file for the reports.
        asking: descriptor of the pipe by which the next turn is asked for.
        answers: descriptor of the pipe that says that it has come.
    """
    size = os.fstat(job).st_size
    message = unpacked(os.pread(job, size, 0))
    report = open_channel(channel, message.key)
    if not message.modules:
        return run_script(
            message.setup, message.code, lambda error, path: report(0, "error", 0, describe(error, path, ""))
        )
    child = Child(message)
    index = -1
    solution, test = child.file(*message.modules[0]), ""
    try:
        child.load()
        report(-1, "loaded", printed(), "")
        turns = [message.only] if message.only else _turns(job, size, asking, answers)
        for index, step in enumerate(chain.from_iterable(map(unpacked_turn, turns))):
            solution, test = child.file(step.module, step.runner == "script"), child.path(step)
            tellers[:] = [partial(report, index, "begun", 0)]
            kind, said = child.run(step, test, solution)
            report(index, kind, printed(), said)
        report(index + 1, "done", printed(), "")
    except BaseException as error:  # noqa: BLE001 - as above
        report(index, "error", printed(), describe(error, solution, test))
    return 0


def _turns(job: int, start: int, asking: int, answers: int) -> Iterator[bytes]:
    """Yield the steps of each turn when it has come: the bytes of the job's file from `start` on."""
    while True:
        os.write(asking, b"?")
        os.read(answers, 1)
        # Not `len` of what is read: the program may have put a function of its own in its place.
        end = os.fstat(job).st_size
        if end == start:
            return
        yield os.pread(job, end - start, start)
        start = end
