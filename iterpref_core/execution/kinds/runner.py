"""Tests with a runner: a benchmark's own, whose source comes along; the program's judge compares what it returns."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..solution.loading import file_of, load
from .kind import Child, Kind, Step
from .reports import Report, returned

if TYPE_CHECKING:
    import ast

    from ..comparison.expectations import Expected


class Runner(Kind):
    """The kind of `RunnerTest`. The body is the source of the runner, and its arguments."""

    name = "runner"
    returns = True
    loads_itself = True
    is_told_by_call = True

    def step(self, test: Any, compared: "Expected | None") -> Step:
        """Return the step of a test."""
        return Step(self, (test.runner, test.arguments), test.shown, compared, prints=test.prints)

    def needs_judge(self, step: Step) -> bool:
        """Return False: the runner runs in the process of the program."""
        del step
        return False

    def run(self, body: Any, child: Child) -> Report:
        """Return the report of the value that the runner returns."""
        runner, arguments = body
        path = os.path.abspath(file_of("solution"))

        def load_it(make_tree: "Callable[[], ast.Module]", setup: str, name: str) -> dict[str, Any]:
            return vars(load(setup, make_tree, name, path))

        namespace: dict[str, Any] = {"__name__": "runner"}
        exec(compile(runner, "<runner>", "exec"), namespace)
        value = namespace["run"](child.code, load_it, *arguments)
        return returned(value, lenient=True)
