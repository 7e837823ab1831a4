"""`stdin` tests: the program is a script that reads and prints; each test is a process.

`ruling.stdin_tests` compares the output, which the kernel hands to the supervisor.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..solution.console import run_script
from .kind import Kind, Step
from .reports import TEST, describe

if TYPE_CHECKING:
    from ..comparison.expectations import Expected


class Stdin(Kind):
    """The kind `stdin`. The input is the process's own standard input, and no part of the body."""

    name = "stdin"
    returns = True
    takes_process = True
    is_told_by_call = True

    def step(self, test: Any, compared: "Expected | None") -> Step:
        """Return the step of a test."""
        from iterpref_core.execution.protocol.programs import shown_input

        del compared
        return Step(self, None, lambda: shown_input(test.input))

    def run_process(self, setup: str, code: str, report: Callable[[int, str, int, str], None]) -> int:
        """Run the program on its console, reporting only an error that ends it; return its exit status."""

        def tell(error: BaseException, script: str, compiling: bool) -> None:
            report(0, "error", 0, describe(error, script, TEST, compiling=compiling))

        return run_script(setup, code, tell)
