"""Plan the steps of a program's tests, and the values that the supervisor expects of them."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from iterpref_core.programs.source_code.names import packages_of
from iterpref_core.programs.source_code.syntax_tree import parse_source
from iterpref_core.records import AssertTest, IoTest, RecordError, ScriptTest, StdinTest

from ..comparison.expectations import expect
from ..parsing.assertions import UNREADABLE, Call, Expected, read_assertion, read_call
from ..protocol.programs import Program, ValueTest
from ..protocol.steps import Runner, SandboxStep
from .operands import with_kept_operands


@dataclass(frozen=True)
class Step:
    """One thing that the sandbox does and reports on.

    Attributes:
        sent: to the sandbox.
        source: the test, or a call in it, for people.
        expected: of a value that is compared by the supervisor.
        is_call: feedback on an error begins with the call: `f(1) raised TypeError`.
        place: where a program ended in the midst of the step, for people, if the source does not say so.
    """

    sent: SandboxStep
    source: str
    expected: Expected | None = None
    is_call: bool = False
    place: str = ""

    @property
    def test(self) -> int:
        """Return the index of the test that the step is of."""
        return self.sent.test


@dataclass(frozen=True)
class TestPlan:
    """The steps of all tests of a program.

    Attributes:
        steps: in the order of the tests.
        inside: how many of the tests run inside.
        packages: that the tests cannot do without.
        problem: why a test cannot be compiled; empty if all can.
    """

    steps: tuple[Step, ...]
    inside: int
    packages: tuple[str, ...]
    problem: str


def plan_of(program: Program) -> TestPlan:
    """Return the steps of a program's tests.

    Raises:
        RecordError: the expected value of an `io` test is not a literal.
    """
    steps: list[Step] = []
    inside = 0
    packages: set[str] = set()
    problem = ""
    for index, test in enumerate(program.tests):
        if isinstance(test, IoTest):
            call = None
            try:
                call = read_call(test.call)
            except UNREADABLE as error:
                problem = problem or _compile_problem(error)
            steps.append(_call(index, test, call or Call(test.call.strip(), "")))
            # `f(2) == 4` as a call: the test would compare inside.
            inside += call is None
        elif isinstance(test, ValueTest):
            steps.append(_value(index, test, program))
        elif not isinstance(test, StdinTest):
            needed, said = _needs(test, program)
            packages.update(needed)
            problem = problem or said
            check = read_assertion(test.code) if isinstance(test, AssertTest) and not program.inside else None
            if check is None:
                steps.append(_run(index, test))
                inside += 1
            else:
                sent = SandboxStep("call", index, check.call.source, then=check.call.then)
                steps.append(Step(sent, check.shown, check.expected))
    return TestPlan(tuple(steps), inside, tuple(sorted(packages)), problem)


def _needs(test: Any, program: Program) -> tuple[list[str], str]:
    """Return the packages that a test cannot do without, and why it cannot be compiled; empty if it can."""
    is_script = isinstance(test, ScriptTest)
    stated = list(test.packages) if is_script else []
    # A test's own `helper.py` is not a package to install.
    own = {name.partition("/")[0].removesuffix(".py") for name in test.files} if is_script else set()
    try:
        tree = parse_source(test.files[test.run] if is_script else test.code)
    except SyntaxError as error:
        # Another Python may compile the script.
        return stated, "" if program.environment is not None else _compile_problem(error)
    return [*stated, *packages_of(tree, {test.module if is_script else "solution", *own})], ""


def _compile_problem(error: Exception) -> str:
    """Return why a test's source is not Python, for people."""
    reason = str(error)
    line = ""
    if isinstance(error, SyntaxError):
        reason = error.msg
        line = f", line {error.lineno}" if error.lineno else ""
    return f"the test cannot be compiled: {type(error).__name__}: {reason}{line}"


def _call(index: int, test: IoTest, call: Call) -> Step:
    try:
        expected = expect(test.expected, test.atol, tuples_as_lists=bool(test.tuples_as_lists))
    except ValueError as error:
        raise RecordError(f"test {test.call!r}: field 'expected': {error}; write it as a Python literal") from None
    sent = SandboxStep("call", index, call.source, then=call.then)
    return Step(sent, test.call, expected, is_call=True)


def _value(index: int, test: ValueTest, program: Program) -> Step:
    compared = Expected(partial(program.comparator, index)) if program.comparator else None
    arguments = tuple(test.arguments)
    sent = SandboxStep("call", index, test.function, arguments=arguments, then=test.then)
    return Step(sent, test.call, compared, is_call=True)


def _run(index: int, test: Any) -> Step:
    if isinstance(test, ScriptTest):
        source = test.files[test.run]
        sent = SandboxStep(
            "script",
            index,
            with_kept_operands(source),
            files=tuple(test.files.items()),
            path=test.run,
            module=test.module,
        )
        return Step(sent, source, place=test.run)
    place = "" if test.kind == "assert" else "the unit tests"
    # `unittest.main()` ends the process, so the runner of such classes takes its place.
    runner: Runner = "unittest" if "unittest.main" in test.code and test.kind == "assert" else test.kind
    source = test.code if test.kind == "pytest" else with_kept_operands(test.code)  # pytest shows values by itself
    return Step(SandboxStep(runner, index, source), test.code, place=place)
