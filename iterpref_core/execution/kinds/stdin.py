"""`stdin` tests: the program is a script that reads and prints; each test is a process.

A program passes if it has printed the expected tokens. Where the test has a checker, a second program, which the tested
one never sees, says whether the output is right. The kernel hands the output to the supervisor.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..solution.console import run_script
from .kind import CallProgram, Kind, Step, UnfitTestError, WrongOutput
from .reports import TEST, describe

if TYPE_CHECKING:
    from ..comparison.expectations import Expected
    from ..comparison.token_comparison import Difference
    from ..protocol.jobs import Console
    from ..protocol.programs import Limits

OUTPUT_FACTOR = 4
"""A program may print this multiple of the expected output, besides the allowance of every program."""


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

    def console(self, test: Any, limits: "Limits") -> "Console":
        """Return the input of a test, and the bytes of output to keep: one more than the program may print."""
        from iterpref_core.execution.protocol.jobs import Console

        # A right output is about as long as the expected one: numbers may have more digits.
        most = limits.output_kb * 1024 + OUTPUT_FACTOR * len(test.output.encode())
        return Console(test.input.encode("utf-8", "replace"), keep=most + 1)

    def wrong_output(self, test: Any, printed: str, call: CallProgram) -> WrongOutput | None:
        """Return what is wrong with the output by its tokens, or as the test's checker says; None if it is right."""
        from iterpref_core.execution.comparison.token_comparison import first_difference

        if test.checker is not None:
            reason = _refusal(test, printed, call)
            return None if reason is None else WrongOutput(test.output, reason)
        difference = first_difference(printed, test.output, tolerance=test.tolerance, ignore_case=test.ignore_case)
        return None if difference is None else WrongOutput(test.output, _reason(difference))

    def run_process(self, setup: str, code: str, report: Callable[[int, str, int, str], None]) -> int:
        """Run the program on its console, reporting only an error that ends it; return its exit status."""

        def tell(error: BaseException, script: str) -> None:
            report(0, "error", 0, describe(error, script, TEST))

        return run_script(setup, code, tell)


def _refusal(test: Any, printed: str, call: CallProgram) -> str | None:
    """Return why a test's checker does not take an output; None if it does.

    Raises:
        UnfitTestError: the checker cannot be loaded.
    """
    from iterpref_core.execution.protocol.programs import Program, ValueTest

    # Two tests: a checker that cannot be loaded fails the first one, and says nothing about the program.
    is_there = ValueTest("(lambda: callable(check))", ())
    decides = ValueTest("check", (test.input, test.output, printed), "bool")
    values, outcome = call(Program(test.checker, (is_there, decides)))
    if values[:1] != [True]:
        raise UnfitTestError(f"the checker of a test cannot be used: {outcome.feedback}")
    if values[1:] == [True]:
        return None
    if outcome.verdict != "passed":
        return f"the checker failed on it: {outcome.verdict} {outcome.exception}".rstrip()
    return "the checker does not accept it"


def _reason(difference: "Difference") -> str:
    """Return where outputs of several tokens differ; empty if that is the first one."""
    from iterpref_core.execution.protocol.value_texts import clean, shorten

    if difference.position == 1:
        return ""
    if difference.printed is None:
        return f"token {difference.position} is missing"
    if difference.expected is None:
        return f"token {difference.position} is one too many"
    wrong = clean(repr(shorten(difference.printed, 40)), 40)
    right = clean(repr(shorten(difference.expected, 40)), 40)
    return f"token {difference.position} is {wrong}, not {right}"
