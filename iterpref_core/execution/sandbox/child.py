"""Run one program and its tests in a restricted process, and report over a private channel.

All tests of a program share the process, in their order: a change by the program or by a test is there for
the next test, as in Python itself. `protocol.steps` describes the steps, and `sandbox.reports` the reports of them.
"""

import os
import sys
from collections.abc import Callable, Iterable
from itertools import chain
from types import ModuleType
from typing import Any

from ..protocol.steps import Message, RunStep, SandboxStep, ValueStep, unpacked, unpacked_turn
from ..solution.console import run_script
from ..solution.loading import file_of, load, write_files
from .names_of_tests import SharedNames, new_module, own_names
from .reports import Report, compiled, describe, open_channel, printed, returned, run_source

runners: dict[str, Callable[[RunStep, str, str, dict[str, Any]], None]] = {}
"""The functions of `runners.table`, in a zygote that has been asked for them."""
# A program may put a function of its own in its place.
_eval = eval


class Child:
    """The process of a program and its tests.

    Args:
        message: the program and the steps of its tests.

    Attributes:
        folder: the working folder, with the files of scripts; the program may remove it.
        code_folder: next to it, with the files of the program and of its other tests.
    """

    def __init__(self, message: Message) -> None:
        self.folder = os.getcwd()
        self.code_folder = f"{os.path.dirname(self.folder)}/code"
        self._message = message
        self._solution: dict[str, Any] = {}
        self._shared: SharedNames | None = None
        self._modules: dict[int, ModuleType] = {}

    def load(self) -> None:
        """Put the program where tests import it from, and run it, but for those tests that import it themselves.

        Its source is there for whoever asks for a function's source, or the line of an error.
        """
        sys.path[:0] = [self.folder, self.code_folder]
        setup, code, modules, _, opens_file, _ = self._message
        for module, for_script in modules:
            path = self.file(module, for_script)
            if for_script:
                write_files({path: f"{setup}\n{code}" if setup else code})
            else:
                if opens_file:
                    os.mkdir(self.code_folder)
                    write_files({path: code})
                self._solution = vars(load(setup, code, path))

    def names(self, step: SandboxStep) -> dict[str, Any]:
        """Return the names that a test sees; see `protocol.steps.Runner`."""
        if step.runner == "io":
            return self._solution
        if step.runner == "assert":
            self._shared = self._shared or SharedNames(self._solution)
            return self._shared.refreshed()
        if step.test not in self._modules:
            module = new_module("test_solution" if step.runner == "pytest" else "__main__", self.path(step))
            if step.runner == "unittest":
                vars(module).update(own_names(self._solution))
            self._modules[step.test] = module
        return vars(self._modules[step.test])

    def path(self, step: SandboxStep) -> str:
        """Return the path of a test's own file."""
        if step.runner != "script":
            return f"{self.code_folder}/test_solution.py"
        assert isinstance(step, RunStep)
        return f"{self.folder}/{step.path}"

    def solution(self, step: SandboxStep) -> str:
        """Return the path of the program's file for a test."""
        return self.file(step.module if isinstance(step, RunStep) else "solution", step.runner == "script")

    def file(self, module: str, for_script: bool) -> str:
        """Return the path of the program's file, by the name that it is imported by."""
        return f"{self.folder if for_script else self.code_folder}/{file_of(module)}"

    def run(self, step: SandboxStep) -> Report:
        """Return the report of a step; an error of the program, or of the test, is raised."""
        names = self.names(step)
        if not isinstance(step, ValueStep):
            if step.runner == "assert":
                run_source(step.source, self.path(step), self.solution(step), names)
            else:
                runners[step.runner](step, self.path(step), self.solution(step), names)
            return "passed", ""
        return returned(_computed(step, names, self.path(step)), names if step.runner == "assert" else {})


def _computed(step: ValueStep, names: dict[str, Any], path: str) -> Any:
    value = _eval(compiled(step.expression, path, "eval"), names)
    if step.arguments is not None:
        value = value(*step.arguments)
    if step.then:
        value = _eval(compiled(step.then, path, "eval"), names)(value)
    return value


def run_job(raw: memoryview, descriptor: int, turns: Iterable[bytes] | None) -> int:
    """Run a job to its end, reporting each step; return the exit status.

    It returns in any case, unless the program ends the process.

    Args:
        raw: the message.
        descriptor: of the channel.
        turns: the steps, each turn when it has come; None if the message has them.
    """
    message = unpacked(raw)
    report = open_channel(descriptor, message.key)
    if not message.modules:

        def tell(error: BaseException, path: str) -> None:
            report(0, "error", 0, describe(error, path, ""))

        return run_script(message.setup, message.code, tell)
    child = Child(message)
    index = -1
    solution, test = child.file(*message.modules[0]), ""
    try:
        child.load()
        report(-1, "loaded", printed(), "")
        for index, step in enumerate(chain.from_iterable(map(unpacked_turn, turns or [message.only]))):
            solution, test = child.solution(step), child.path(step)
            kind, said = child.run(step)
            report(index, kind, printed(), said)
        report(index + 1, "done", printed(), "")
    except BaseException as error:  # noqa: BLE001 - as above
        report(index, "error", printed(), describe(error, solution, test))
    return 0
