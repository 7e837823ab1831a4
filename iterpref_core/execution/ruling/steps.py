"""Plan the steps of a program's tests, and the values that the supervisor expects of them."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from iterpref_core.execution.comparison.expectations import Expected, expect
from iterpref_core.execution.protocol.programs import Program, ValueTest
from iterpref_core.execution.protocol.steps import Runner, RunStep, SandboxStep, ValueStep
from iterpref_core.execution.reading.assertions import Assertion, read_assertion, read_expression
from iterpref_core.execution.reading.sources import (
    UNREADABLE,
    asserts_at_once,
    compile_problem,
    may_assert,
    packages_of,
    parsed,
)
from iterpref_core.execution.ruling.operands import with_kept_operands
from iterpref_core.records import AssertTest, IoTest, ScriptTest, StdinTest
from iterpref_core.records.errors import RecordError


@dataclass(frozen=True)
class Step:
    """One thing that the sandbox does and reports on.

    Attributes:
        sent: to the sandbox.
        source: the test, or a call in it, for people.
        place: where a program ended in the midst of the step, for people.
        expected: of a value that is compared by the supervisor.
        is_call: feedback on an error begins with the call: `f(1) raised TypeError`.
    """

    sent: SandboxStep
    source: str
    place: str
    expected: Expected | None = None
    is_call: bool = False

    @property
    def test(self) -> int:
        """Return the index of the test that the step is of."""
        return self.sent.test


@dataclass(frozen=True)
class TestPlan:
    """The steps of all tests of a program.

    Attributes:
        steps: in the order of the tests.
        inside: indices of the tests that run inside.
        read: indices of the `assert` tests that are read.
        packages: that the tests cannot do without.
        problem: why a test cannot be compiled; empty if all can.
        unfit: why the tests cannot find any program wrong; empty if they can.
        doubtful: indices of the `assert` tests that perhaps reach no assertion.
    """

    steps: tuple[Step, ...]
    inside: frozenset[int]
    read: frozenset[int]
    packages: tuple[str, ...]
    problem: str
    unfit: str
    doubtful: tuple[int, ...]


def plan_of(program: Program) -> TestPlan:
    """Return the steps of a program's tests.

    Raises:
        RecordError: the expected value of an `io` test is not a literal.
    """
    steps: list[Step] = []
    inside: set[int] = set()
    read: set[int] = set()
    packages: set[str] = set()
    problem = ""
    for index, test in enumerate(program.tests):
        if isinstance(test, IoTest):
            steps.append(_call(index, test))
            # `f(2) == 4` as a call: the test would compare inside.
            if not read_expression(test.call):
                inside.add(index)
            continue
        if isinstance(test, ValueTest):
            steps.append(_value(index, test, program))
            continue
        if isinstance(test, StdinTest):
            continue
        needed, said = _needs(test, program)
        packages.update(needed)
        problem = problem or said
        check = read_assertion(test.code) if isinstance(test, AssertTest) and not program.inside else None
        if check is None:
            steps.append(_run(index, test))
            inside.add(index)
        else:
            steps.append(_checked(index, check))
            read.add(index)
    unfit, doubtful = ("", ()) if problem else _doubts(program, inside)
    return TestPlan(tuple(steps), frozenset(inside), frozenset(read), tuple(sorted(packages)), problem, unfit, doubtful)


def _doubts(program: Program, inside: set[int]) -> tuple[str, tuple[int, ...]]:
    """Return why the tests cannot find any program wrong, and the tests that perhaps reach no assertion."""
    asserts = {index: test.code for index, test in enumerate(program.tests) if isinstance(test, AssertTest)}
    # `print(f(1))` passes every program.
    if len(asserts) == len(program.tests) and not any(map(may_assert, (*asserts.values(), program.setup))):
        return "the tests assert nothing; an `assert` test is such as `assert f(1) == 2`", ()
    doubtful = []
    for index in sorted(inside & asserts.keys()):
        later = (code for place, code in asserts.items() if place > index)
        # A `test_` function that is not called passes every program.
        if may_assert(asserts[index]) and not asserts_at_once(asserts[index], later):
            doubtful.append(index)
    return "", tuple(doubtful)


def _needs(test: Any, program: Program) -> tuple[list[str], str]:
    """Return the packages that a test cannot do without, and why it cannot be compiled; empty if it can."""
    is_script = isinstance(test, ScriptTest)
    stated = list(test.packages) if is_script else []
    # A test's own `helper.py` is not a package to install.
    own = {name.partition("/")[0].removesuffix(".py") for name in test.files} if is_script else set()
    try:
        tree = parsed(test.files[test.run] if is_script else test.code)
    except UNREADABLE as error:
        # Another Python may compile the script.
        return stated, "" if program.environment is not None else compile_problem(error)
    return [*stated, *packages_of(tree, frozenset({test.module if is_script else "solution", *own}))], ""


def _call(index: int, test: IoTest) -> Step:
    try:
        expected = expect(test.expected, test.atol, tuples_as_lists=bool(test.tuples_as_lists))
    except ValueError as error:
        raise RecordError(f"test {test.call!r}: field 'expected': {error}; write it as a Python literal") from None
    return Step(ValueStep("io", index, test.call.strip()), test.call, test.call, expected, is_call=True)


def _value(index: int, test: ValueTest, program: Program) -> Step:
    compared = Expected(partial(program.comparator, index)) if program.comparator else None
    arguments = tuple(test.arguments)
    sent = ValueStep("io", index, test.function, arguments=arguments, then=test.then)
    return Step(sent, test.call, test.call, compared, is_call=True)


def _checked(index: int, check: Assertion) -> Step:
    expected = Expected(check.holds, check.expected, likeness=check.likeness, builtins=check.builtins)
    return Step(ValueStep("assert", index, check.value), check.value, check.value, expected)


def _run(index: int, test: Any) -> Step:
    if isinstance(test, ScriptTest):
        source = test.files[test.run]
        sent = RunStep("script", index, with_kept_operands(source), tuple(test.files.items()), test.run, test.module)
        return Step(sent, source, test.run)
    place = test.code if test.kind == "assert" else "the unit tests"
    # `unittest.main()` ends the process, so the runner of such classes takes its place.
    runner: Runner = "unittest" if "unittest.main" in test.code and test.kind == "assert" else test.kind
    source = test.code if test.kind == "pytest" else with_kept_operands(test.code)  # pytest shows values by itself
    return Step(RunStep(runner, index, source), test.code, place)
