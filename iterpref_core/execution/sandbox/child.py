"""Child: runs one program and its tests in a process that is restricted, and reports over a private channel.

All tests of a program share the process, in their order: a change by the program or by a test is there for
the next test, as in Python itself. `protocol.steps` describes the steps, and `sandbox.reports` the reports of them.
"""

import io
import json
import linecache
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from ..protocol.steps import SandboxStep, ValueStep, unpacked
from ..solution.console import run_script
from ..solution.loading import file_of, load, write_files
from .names_of_tests import SharedNames, new_module, own_names
from .reports import Report, compiled, describe, exceptions_of, open_channel, printed, returned
from .runners.places import Places
from .runners.table import RUNNERS

_WAYS_TO_THE_FILE = (
    *("__file__", "__loader__", "__spec__", "co_filename", "importlib", "inspect", "linecache", "pkgutil", "runpy"),
    *("solution.py", "sys.modules", "traceback"),
)
"""Words by which a program or a test can come to the program's file."""
OWN_CALLS = 2
"""Calls of this project's between `run_job` and a test: those of `Child.run` and of `_computed` or a runner."""


class Child:
    """The process of a program, in which its tests run.

    Args:
        setup: source to run before the program; may be empty.
        code: the program.
        steps: of its tests.

    Attributes:
        folder: in which it works, and scripts and their files are; the program may remove it.
        code_folder: beside it, with the files of the program and of its other tests.
    """

    def __init__(self, setup: str, code: str, steps: Sequence[SandboxStep]) -> None:
        self.folder = os.getcwd()
        self.code_folder = f"{os.path.dirname(self.folder)}/code"
        self._setup = setup
        self._code = code
        self._steps = steps
        self._solution: dict[str, Any] = {}
        self._shared: SharedNames | None = None
        self._modules: dict[int, ModuleType] = {}

    def load(self) -> None:
        """Put the program where tests import it from, and run it, but for those tests that import it themselves.

        Its source is there for whoever asks for a function's source, or the line of an error.
        """
        sys.path[:0] = [self.folder, self.code_folder]
        for path, step in {self.solution(step): step for step in self._steps}.items():
            if step.runner == "script":
                write_files({path: f"{self._setup}\n{self._code}" if self._setup else self._code})
            else:
                lines = list(io.StringIO(self._code, newline=None))  # as Python reads a file's
                linecache.cache[path] = (len(self._code), None, lines, path)
                if self._is_asked_for():
                    os.mkdir(self.code_folder)
                    write_files({path: self._code})
                self._solution = vars(load(self._setup, self._code, path))

    def _is_asked_for(self) -> bool:
        """Tell whether somebody may open the program's file: to write one takes as long as most programs.

        Its lines, of which functions and tracebacks are shown, are there without a file.
        """
        texts = [self._code]
        for step in self._steps:
            if not isinstance(step, ValueStep):
                return True
            texts += (step.before, step.expression)
        return any(word in text for word in _WAYS_TO_THE_FILE for text in texts)

    def names(self, step: SandboxStep) -> dict[str, Any]:
        """Return the names that a test sees; see `protocol.steps.Runner`."""
        if step.runner == "io":
            return self._solution
        if step.runner == "assert":
            self._shared = self._shared or SharedNames(self._solution)
            return self._shared.refreshed()
        if step.test not in self._modules:
            module = new_module("__main__" if step.runner == "script" else "test_solution", self.path(step))
            if step.runner == "unittest":
                vars(module).update(own_names(self._solution))
            self._modules[step.test] = module
        return vars(self._modules[step.test])

    def path(self, step: SandboxStep) -> str:
        """Return the path of a test's own file."""
        if step.runner != "script":
            return f"{self.code_folder}/test_solution.py"
        return f"{self.folder}/{'test_solution.py' if isinstance(step, ValueStep) else step.path}"

    def solution(self, step: SandboxStep) -> str:
        """Return the path of the program's file for a test."""
        return f"{self.folder if step.runner == 'script' else self.code_folder}/{file_of(step.module)}"

    def run(self, step: SandboxStep) -> Report:
        """Return the report of a step; an error of the program, or of the test, is raised."""
        if not isinstance(step, ValueStep):
            RUNNERS[step.runner](step, Places(self.path(step), self.solution(step)), self.names(step))
            return "passed", ""
        names = self.names(step)
        if step.before:
            exec(compiled(step.before, self.path(step)), names)
            names = self.names(step)
        if own := sorted(names.keys() & set(step.builtins)):
            return "type", f"the program's own {own[0]}"
        try:
            value = _computed(step, names, self.path(step))
        except BaseException as error:
            if not step.catches:
                raise
            return "raised", json.dumps(exceptions_of(error))
        if step.catches:
            return "returned", ""
        return returned(value, step.leniency)


def _computed(step: ValueStep, names: dict[str, Any], path: str) -> Any:
    value = eval(compiled(step.expression, path, "eval"), names)
    if step.arguments is not None:
        value = value(*step.arguments)
    if step.then:
        value = eval(compiled(step.then, path, "eval"), names)(value)
    return value


def _depth() -> int:
    frame: Any = sys._getframe()  # noqa: SLF001 - the only way to it
    depth = 0
    while frame:
        frame = frame.f_back
        depth += 1
    return depth


def run_job(raw: memoryview, descriptor: int) -> int:
    """Run a job to its end, reporting each step; return the exit status.

    It returns in any case, unless the program ends the process.
    """
    setup, code, steps, key = unpacked(raw)
    report = open_channel(descriptor, key)
    # A program may call itself as deeply as in Python: this project's own calls are none of the program's.
    sys.setrecursionlimit(sys.getrecursionlimit() + _depth() + OWN_CALLS)
    if not steps:
        return run_script(setup, code, lambda error, path: report(0, "error", 0, describe(error, path, "")))
    child = Child(setup, code, steps)
    index = -1
    step = steps[0]
    try:
        child.load()
        report(-1, "loaded", printed(), "")
        for index, step in enumerate(steps):
            kind, said = child.run(step)
            report(index, kind, printed(), said)
        report(len(steps), "done", printed(), "")
    except BaseException as error:  # noqa: BLE001 - as above
        report(index, "error", printed(), describe(error, child.solution(step), child.path(step)))
    return 0
