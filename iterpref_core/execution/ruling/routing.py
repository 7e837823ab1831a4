"""Routing: the steps of a program's tests, and the processes that the tests need."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from iterpref_core.execution.comparison.expectations import Expected
from iterpref_core.execution.kinds.kind import Step
from iterpref_core.execution.kinds.outside import parsed
from iterpref_core.execution.kinds.table import KINDS
from iterpref_core.execution.protocol.programs import Program
from iterpref_core.programs.source_code.syntax_tree import PARSE_LOCK
from iterpref_core.records import AssertTest


def steps_of(program: Program) -> tuple[Step, ...]:
    """Return the steps of a program's tests, in order.

    Raises:
        RecordError: the expected value of an `io` test is not a literal.
    """
    steps: list[Step] = []
    for index, test in enumerate(program.tests):
        comparator = program.comparator
        compared = Expected(functools.partial(comparator, index)) if comparator else None
        step = KINDS[test.kind].step(test, compared)
        steps.append(step._replace(test=index))
    return tuple(steps)


def need_a_judge(steps: Sequence[Step]) -> bool:
    """Tell whether a judge has to be beside the program: for everything but calls whose values are judged out here."""
    return any(step.kind.needs_judge(step) for step in steps)


def as_calls(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return steps that need no judge and decide the same; empty if there are none for one of the steps."""
    calls: list[Step] = []
    for step in steps:
        call = step.kind.as_call(step)
        if call is None:
            return ()
        calls.append(call._replace(test=step.test))
    return tuple(calls)


def runs_inside(program: Program, steps: Sequence[Step]) -> bool:
    """Tell whether a program's tests run in its own process: `Program.inside`, else by the tests' source alone."""
    return bool(why_inside(program, steps)) if program.inside is None else program.inside


def why_inside(program: Program, steps: Sequence[Step]) -> str:
    """Return what a program's tests use that a judge beside it has not; empty if it can run them.

    Args:
        program: has the tests.
        steps: `steps_of` the program.
    """
    # Of `assert f(2) == 4` all that is used is the value of a call.
    used = [test for test, step in zip(program.tests, steps, strict=True) if not step.kind.as_call(step)]
    # `assert` tests share their names: the second may use what the first has imported.
    asserts = "\n".join(test.code for test in used if isinstance(test, AssertTest))
    tests = [*(test for test in used if not isinstance(test, AssertTest)), AssertTest(code=asserts)]
    return next(filter(None, (KINDS[test.kind].why_inside(test, program.setup) for test in tests)), "")


def counter_programs(program: Program) -> Iterator[Program]:
    """Yield a program with each counter-test that decides, behind the tests before it, whose names it may need."""
    for index, test in enumerate(program.tests):
        with PARSE_LOCK:
            changed, decides = KINDS[test.kind].counter_test(test)
        if decides:
            yield replace(program, tests=(*program.tests[:index], changed))


def problem_of(program: Program) -> str:
    """Return why a test cannot be compiled; empty if all can, as far as this Python can say."""
    if program.environment is not None:
        return ""
    for test in program.tests:
        for source in KINDS[test.kind].sources(test):
            try:
                parsed(source)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                reason = str(error)
                line = ""
                if isinstance(error, SyntaxError):
                    reason = error.msg
                    line = f", line {error.lineno}" if error.lineno else ""
                return f"the test cannot be compiled: {type(error).__name__}: {reason}{line}"
    return ""
