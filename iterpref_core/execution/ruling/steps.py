"""Steps of a program's tests: those that are sent into the sandbox, with the values that the supervisor expects."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from iterpref_core.execution.comparison.expectations import Expected, expect
from iterpref_core.execution.protocol.programs import Program, ValueTest
from iterpref_core.execution.protocol.steps import RunStep, SandboxStep, ValueStep
from iterpref_core.execution.reading.checks import Check
from iterpref_core.execution.reading.readings import Reading, read_asserts, read_expression, read_file
from iterpref_core.records import AssertTest, IoTest, PytestTest, ScriptTest, UnittestTest
from iterpref_core.records.errors import RecordError


@dataclass(frozen=True)
class Step:
    """One thing that the sandbox does and reports on.

    Attributes:
        sent: to the sandbox.
        source: the test, or a call in it, for people.
        place: where a program ended in the midst of the step, for people.
        expected: of a value that is compared by the supervisor.
        raises: names of builtin exceptions, one of which the step has to raise.
        is_call: an error of the program is told with the call before it: `f(1) raised TypeError`.
    """

    sent: SandboxStep
    source: str
    place: str
    expected: Expected | None = None
    raises: tuple[str, ...] = ()
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
        read: indices of the tests that are read as checks.
        packages: that the tests cannot do without.
        problem: why a test cannot be compiled; empty if all can.
    """

    steps: tuple[Step, ...]
    inside: frozenset[int]
    read: frozenset[int]
    packages: tuple[str, ...]
    problem: str


def plan_of(program: Program) -> TestPlan:
    """Return the steps of a program's tests.

    Raises:
        RecordError: the expected value of an `io` test is not a literal.
    """
    readings = _readings(program)
    steps: list[Step] = []
    inside: set[int] = set()
    for index, test in enumerate(program.tests):
        if isinstance(test, IoTest):
            steps.append(_call(index, test))
            if not read_expression(test.call, program.setup):
                inside.add(index)
        elif isinstance(test, ValueTest):
            steps.append(_value(index, test, program))
        elif readings[index].checks and not program.inside:
            steps += [_checked(index, test, check) for check in readings[index].checks]
        else:
            steps.append(_run(index, test))
            inside.add(index)
    return TestPlan(
        tuple(steps),
        frozenset(inside),
        frozenset(index for index, reading in readings.items() if reading.checks and index not in inside),
        tuple(sorted({package for reading in readings.values() for package in reading.packages})),
        next(filter(None, (reading.problem for reading in readings.values())), ""),
    )


def _readings(program: Program) -> dict[int, Reading]:
    """Return the readings of the tests that have a source, by their indices."""
    asserts = {index: test.code for index, test in enumerate(program.tests) if isinstance(test, AssertTest)}
    found = dict(zip(asserts, read_asserts(tuple(asserts.values()), program.setup), strict=True)) if asserts else {}
    for index, test in enumerate(program.tests):
        match test:
            case UnittestTest() | PytestTest():
                found[index] = read_file(test.code, program.setup, test.kind, "solution")
            case ScriptTest():
                found[index] = _script_reading(test, program)
    return found


def _script_reading(test: ScriptTest, program: Program) -> Reading:
    reading = read_file(test.files[test.run], program.setup, test.kind, test.module)
    own = {name.partition("/")[0].removesuffix(".py") for name in test.files}
    packages = [*test.packages, *(package for package in reading.packages if package not in own)]
    reading = reading._replace(packages=tuple(packages))
    if program.environment is not None and reading.problem:
        return Reading(packages=tuple(test.packages))  # another Python may compile the script
    if len(test.files) > 1 and reading.checks:
        return reading._replace(checks=(), why_inside="files beside the script")
    return reading


def _call(index: int, test: IoTest) -> Step:
    try:
        expected = expect(test.expected, test.atol, tuples_as_lists=bool(test.tuples_as_lists))
    except ValueError as error:
        raise RecordError(f"test {test.call!r}: field 'expected': {error}; write it as a Python literal") from None
    sent = ValueStep("io", index, test.call.strip(), leniency="exact" if test.atol is None else "equal")
    return Step(sent, test.call, test.call, expected, is_call=True)


def _value(index: int, test: ValueTest, program: Program) -> Step:
    compared = Expected(partial(program.comparator, index)) if program.comparator else None
    arguments = tuple(test.arguments)
    sent = ValueStep("io", index, test.function, arguments=arguments, then=test.then, leniency="equal")
    return Step(sent, test.call, test.call, compared, is_call=True)


def _checked(index: int, test: Any, check: Check) -> Step:
    condition = check.condition
    sent = ValueStep(
        test.kind,
        index,
        check.expression,
        check.before,
        leniency="exact" if condition is None or condition.exact else "alike",
        catches=bool(check.raises),
        builtins=tuple(sorted(check.builtins)),
        module=test.module if isinstance(test, ScriptTest) else "solution",
    )
    expected = Expected(condition.holds, condition.expected) if condition is not None else None
    return Step(sent, check.shown, check.shown, expected, check.raises)


def _run(index: int, test: Any) -> Step:
    if isinstance(test, ScriptTest):
        source = test.files[test.run]
        sent = RunStep("script", index, source, tuple(test.files.items()), test.run, test.module)
        return Step(sent, source, test.run)
    place = test.code if test.kind == "assert" else "the unit tests"
    return Step(RunStep(test.kind, index, test.code), test.code, place)
