"""Kind of test: the base of all kinds.

Three processes use a kind, each a part of it:

    supervisor   step, sources, why_inside   what is sent into the sandbox, and how a failure is told
    child        run                          runs the test in the process of the program
    judge        judge                        runs the test in a process beside the program

The last two have the standard library alone. So what the supervisor's part takes from the rest of the project is
imported in its functions.
"""

from collections.abc import Callable, Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .reports import TEST, Report

if TYPE_CHECKING:
    from ..comparison.expectations import Expected
    from ..protocol.jobs import Console
    from ..protocol.programs import Limits

CallProgram = Callable[[Any], tuple[list[Any], Any]]
"""Runs a `Program` in the sandbox; returns the values of its tests, and the `Outcome`."""


class UnfitTestError(Exception):
    """A test that cannot decide: it says nothing about the program."""


class WrongOutput(NamedTuple):
    """An output that is not right.

    Attributes:
        expected: the right one.
        reason: what is wrong, if that is not plain to see.
    """

    expected: str
    reason: str


class Step(NamedTuple):
    """One thing the sandbox does and reports on: a test.

    Attributes:
        kind: of the test.
        body: that the kind's `run` and `judge` are given in the sandbox: plain data.
        shown: returns the test as Python source, for people.
        expected: of a value that is judged outside.
        test: index of the test it belongs to.
    """

    kind: "Kind"
    body: Any
    shown: Callable[[], str]
    expected: "Expected | None" = None
    test: int = 0

    @property
    def source(self) -> str:
        """Return the test as Python source."""
        return self.shown()


class Child(Protocol):
    """The process of a program, in which a test runs; see `sandbox.child`."""

    setup: str
    code: str
    namespace: dict[str, Any]


class Judge(Protocol):
    """The process beside a program, in which a test runs; see `sandbox.judge.session`."""

    folder: str

    def ask(self, op: str, /, *args: Any, **named: Any) -> Any:
        """Ask the program."""

    def namespace(self, name: str) -> dict[str, Any]:
        """Return the names of a fresh module for tests."""

    def names(self) -> dict[str, Any]:
        """Return the names that all tests without a module of their own share."""

    def fill(self, namespace: dict[str, Any], code: CodeType) -> None:
        """Have a code find the solution's names in a namespace."""

    def run_counted(
        self, source: str, filename: str, namespace: dict[str, Any], run: Callable[[CodeType, Any], int]
    ) -> None:
        """Run a test's source by a function, which returns how many cases ran; one that asserts nothing fails."""

    def write(self, files: dict[str, str]) -> None:
        """Write files into the judge's own folder."""


class Kind:
    """A kind of test.

    Attributes:
        name: in records, and in what is sent into the sandbox.
        returns: a value or an output leaves the sandbox, to be judged outside; else the sandbox says that it passed.
        loads_itself: `run` runs the solution; else that is done once, before the first test.
        imports_solution: in a judge, the test imports the solution; else the judge loads it before the first test.
        takes_process: a test has a process of its own, which `run_process` runs on a `console`, and whose output
            `wrong_output` compares.
        is_told_by_call: an exception of the program is told after the test's source: `f(1) raised TypeError`.
    """

    name: str
    returns = False
    loads_itself = False
    imports_solution = False
    takes_process = False
    is_told_by_call = False

    # The supervisor's part

    def step(self, test: Any, compared: "Expected | None") -> Step:
        """Return the step of a test.

        Args:
            test: the record.
            compared: what the program's comparator takes, if there is one.

        Raises:
            RecordError: the test's expected value is not a literal.
        """
        raise NotImplementedError

    def sources(self, test: Any) -> Sequence[str]:
        """Return the sources of a test that have to be Python, whatever the program is."""
        del test
        return []

    def packages(self, test: Any) -> Sequence[str]:
        """Return the packages that a test cannot do without."""
        del test
        return []

    def why_inside(self, test: Any, setup: str) -> str:
        """Return why a test has to run in the process of the program; empty if a judge beside it can run the test."""
        del test, setup
        return ""

    def counter_test(self, test: Any) -> tuple[Any, bool]:
        """Return a test with other expectations, and whether it decides: no right program passes it."""
        return test, False

    def needs_judge(self, step: Step) -> bool:
        """Tell whether a test has to run in a judge beside the program, unless it shares the program's process."""
        del step
        return True

    def as_call(self, step: Step) -> Step | None:
        """Return a step that needs no judge and decides the same; None if there is none."""
        return None if self.needs_judge(step) else step

    def modules(self, step: Step) -> Sequence[str]:
        """Return the names that a test imports the solution by, beside `solution`."""
        del step
        return []

    def uses_pytest(self, step: Step) -> bool:
        """Tell whether a test may import pytest."""
        del step
        return False

    def place(self, step: Step) -> str:
        """Return the place of a program that ended in the midst of a test, for people."""
        return step.source.removesuffix(",")

    def failing_call(self, step: Step, facts: dict[str, Any]) -> str:
        """Return the call that an error came from, as source; empty if it is not known.

        Args:
            step: the test.
            facts: of the error.
        """
        del step
        return str(facts.get("call") or "")

    def console(self, test: Any, limits: "Limits") -> "Console":
        """Return the standard input of a test's own process, and how much of its output is wanted."""
        raise NotImplementedError

    def wrong_output(self, test: Any, printed: str, call: CallProgram) -> WrongOutput | None:
        """Return what is wrong with the output of a test's own process; None if it is right.

        Args:
            test: the record.
            printed: all of the output.
            call: runs a program that helps to decide.

        Raises:
            UnfitTestError: the test cannot decide.
        """
        raise NotImplementedError

    # The sandbox's part

    def run(self, body: Any, child: Child) -> Report:
        """Run a test in the process of the program; return the kind and payload of its report."""
        raise NotImplementedError

    def judge(self, body: Any, judge: Judge) -> Report:
        """Run a test in a judge beside the program; return the kind and payload of its report."""
        raise NotImplementedError

    def run_process(self, setup: str, code: str, report: Callable[[int, str, int, str], None]) -> int:
        """Be the process of a program with one test; return the exit status."""
        raise NotImplementedError

    def files(self, body: Any) -> tuple[str, str]:
        """Return the module that the solution is, and the file that the test is."""
        del body
        return "solution", TEST
