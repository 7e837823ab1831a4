"""Define programs and limits, the input of the engine, and outcomes, its output."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from iterpref_core.records import ScriptTest, StdinTest, Test, Verdict

from .value_texts import shorten, show

Comparator = Callable[[int, Any], bool]
"""A benchmark's own equality: (index of the test, value the program returned) -> whether that is right.

A value whose text is longer than four million characters arrives as a `Digest`, to be compared with
`summarize(expected)`.
"""


UNFIT = "UnfitTest"
"""`Outcome.exception` of a program whose tests find no program wrong."""
REFERENCE_FACTOR = 4.0
"""A program may take this multiple of its ground truth's time: EvalPlus's `gt_time_limit_factor`."""


def shown_call(function: str, arguments: Sequence[Any]) -> str:
    """Return a call as source, for people."""
    return f"{function}({', '.join(map(show, arguments))})"


def shown_input(text: str) -> str:
    """Return a program with its input, for people."""
    return f"the program, given {shorten(text, 80)!r},"


def time_limit(base_s: float, reference_s: float, factor: float = REFERENCE_FACTOR) -> float:
    """Return the CPU seconds that a benchmark gives a program: enough on a slow machine, and never less than the base.

    Args:
        base_s: CPU seconds that every program has.
        reference_s: CPU seconds that the ground truth took on this machine.
        factor: how much slower than the ground truth a right program may be.

    >>> time_limit(2.0, 0.01), time_limit(2.0, 1.5)
    (2.0, 6.0)
    """
    return max(base_s, factor * reference_s)


@dataclass(frozen=True)
class Limits:
    r"""Limits of one program; by default those of params.yaml, as it is delivered.

    Attributes:
        cpu_s: CPU seconds, all tests together; of stdin tests, each.
        wall_s: seconds of real time, the backstop for programs that sleep.
        memory_mb: MiB of address space on top of the interpreter's.
        output_kb: KiB printed to standard output and standard error together.
        file_mb: MiB in any one file; all files together may hold four times as much.

    >>> from iterpref_core.records import IoTest
    >>> endless = Program("def f():\n    while True:\n        pass\n", (IoTest(call="f()", expected="1"),))
    >>> with Executor(Limits(cpu_s=0.2), workers=1) as executor:
    ...     executor.run_one(endless).verdict
    'timeout'
    """

    cpu_s: float = 2.0
    wall_s: float = 20.0
    memory_mb: int = 512
    output_kb: int = 256
    file_mb: int = 4


@dataclass(frozen=True)
class ValueTest:
    """A call whose arguments are at hand as values: much cheaper than source, which would have to be compiled.

    The value it returns is for the program's `comparator`, or for who asked for it by `Engine.call`.

    Attributes:
        function: an expression for the function, such as the entry point's name.
        arguments: values of plain types.
        then: an expression for a function of Python's, applied to the result, such as `set`; may be empty.
        shown: the call for people; empty for the call itself.
    """

    kind: ClassVar[str] = "value"

    function: str
    arguments: Sequence[Any]
    then: str = ""
    shown: str = ""

    @property
    def call(self) -> str:
        """Return the call as source, for people."""
        return self.shown or shown_call(self.function, self.arguments)


@dataclass(frozen=True)
class Program:
    r"""A program, with the tests that judge it.

    Attributes:
        code: the whole program.
        tests: at least one test.
        setup: source to run before the code, such as imports; may be empty.
        comparator: decides about the values of value tests.
        cpu_s: CPU seconds for this program instead of `Limits.cpu_s`, such as a multiple of the ground truth's
            time; real time is limited in proportion. Each stdin test has all of it.
        wall_s: seconds of real time for this program, if `Limits.wall_s` is more.
        test_cpu_s: CPU seconds for each test, in addition to the limit for all tests; None: no limit. It is measured
            ten times a second, so a test may have a tenth of a second more, never less. A stdin test has `cpu_s`.
        environment: name of the interpreter to run in, by default the first that a test names; None for this one.
        inside: all tests but calls run inside, see `sandbox.runners`, those too that could be read.

    >>> from iterpref_core.records import IoTest
    >>> tests = (IoTest(call="f(1)", expected="2"), IoTest(call="f(2)", expected="3"))
    >>> with Executor(Limits(), workers=1) as executor:
    ...     outcome = executor.run_one(Program("def f(x):\n    return 2 * x\n", tests))
    >>> outcome.verdict, outcome.tests_passed, outcome.feedback
    ('wrong_answer', 1, 'f(2) returned 4, expected 3')
    """

    code: str
    tests: tuple[Test | ValueTest, ...]
    setup: str = ""
    comparator: Comparator | None = None
    cpu_s: float | None = None
    wall_s: float | None = None
    test_cpu_s: float | None = None
    environment: str | None = None
    inside: bool = False

    def __post_init__(self) -> None:
        if not self.tests:
            raise ValueError("Program.tests is empty; a program without tests cannot be judged")
        # A script runs once for each test, and other tests share one process.
        if len({isinstance(test, StdinTest) for test in self.tests}) > 1:
            raise ValueError("Program.tests has stdin tests among others; a program is a script, or it is called")
        # All tests of a program run in one interpreter.
        named = [self.environment, *(test.environment for test in self.tests if isinstance(test, ScriptTest))]
        object.__setattr__(self, "environment", next(filter(None, named), None))

    def limits(self, common: Limits) -> Limits:
        """Return the limits of this program where all have common ones."""
        cpu_s = common.cpu_s if self.cpu_s is None else self.cpu_s
        # A program with ten times the CPU time may also take ten times the real time.
        wall_s = common.wall_s * max(1.0, cpu_s / common.cpu_s)
        return replace(common, cpu_s=cpu_s, wall_s=wall_s if self.wall_s is None else min(wall_s, self.wall_s))


@dataclass(frozen=True)
class Outcome:
    """The verdict on one program.

    Attributes:
        verdict: see `iterpref_core.records.artifacts.Verdict`; `infra_error` does not judge the program.
        feedback: the fault, for a debugger: short, without times and paths; empty if passed.
        tests_passed: tests passed before the first that failed.
        tests_total: tests of the program.
        exception: name of the raised exception's type, without its module; empty without an exception.
        isolation: tier and layers in force, such as `B:landlock+seccomp+rlimits`.
        inside: the number of tests that ran inside, where a program can lie to them.
        cpu_s: CPU seconds used.
        slowest_s: CPU seconds of the slowest process: each stdin test has one, all other tests share one.
    """

    verdict: Verdict
    feedback: str
    tests_passed: int
    tests_total: int
    exception: str = ""
    isolation: str = ""
    inside: int = 0
    cpu_s: float = 0.0
    slowest_s: float = 0.0
