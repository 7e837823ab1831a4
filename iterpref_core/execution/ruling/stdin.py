"""Run `stdin` tests, whose program is a script that reads and prints. Each test has a process of its own.

A program passes the test if its process ends with exit status 0 and has printed the expected tokens. If the test has a
checker, this second program decides whether the output is right. The tested program never sees the checker. The kernel
hands the output to the supervisor.
"""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from iterpref_core.execution.comparison.token_comparison import Difference, first_difference
from iterpref_core.execution.protocol.jobs import Answer, Console, Job
from iterpref_core.execution.protocol.programs import Limits, Outcome, Program, ValueTest, shown_input
from iterpref_core.execution.protocol.steps import ValueStep, packed
from iterpref_core.execution.protocol.value_texts import clean, shorten
from iterpref_core.execution.ruling import feedback
from iterpref_core.execution.ruling.steps import Step
from iterpref_core.execution.ruling.verdicts import MALFORMED, Trial, parse_channel
from iterpref_core.records import StdinTest

OUTPUT_FACTOR = 4
"""A program may print this multiple of the expected output, in addition to the allowance of every program."""
Observe = Callable[[Program, Job], Answer]
"""Runs a job; returns the zygote's answer."""
Call = Callable[[Program], tuple[list[Any], Outcome]]
"""Runs a program whose values are wanted; see `Engine.call`."""


class UnfitTestError(Exception):
    """Raised if a test cannot decide about a program."""


def run_each_test(program: Program, limits: Limits, observe: Observe, call: Call) -> Outcome:
    """Return the outcome of a program whose tests run one after the other, up to the first that does not pass.

    Args:
        program: with its tests.
        limits: of the program.
        observe: runs a job.
        call: runs another program, which helps to decide.
    """
    outcomes: list[Outcome] = []
    for test in program.tests:
        outcomes.append(_run_alone(replace(program, tests=(test,)), limits, observe, call))
        if outcomes[-1].verdict != "passed":
            break
    return replace(
        outcomes[-1],
        tests_passed=sum(outcome.tests_passed for outcome in outcomes),
        tests_total=len(program.tests),
        cpu_s=sum(outcome.cpu_s for outcome in outcomes),
        slowest_s=max(outcome.slowest_s for outcome in outcomes),
    )


def _run_alone(program: Program, limits: Limits, observe: Observe, call: Call) -> Outcome:
    """Return the outcome of a program whose one test has a process to itself."""
    (test,) = program.tests
    assert isinstance(test, StdinTest)
    shown = shown_input(test.input)
    step = Step(ValueStep("io", 0, ""), shown, shown.removesuffix(","), is_call=True)
    key = os.urandom(8).hex()
    # A right output is about as long as the expected one: numbers may have more digits.
    most = limits.output_kb * 1024 + OUTPUT_FACTOR * len(test.output.encode())
    console = Console(test.input.encode("utf-8", "replace"), keep=most + 1)
    answer = observe(program, Job(*packed(program.setup, program.code, (), key), key, console=console))
    trial = Trial(program, (step,), limits, answer, key)
    trial.printed = len(answer.printed)
    # The kernel has kept one byte more than is allowed.
    if len(answer.printed) > most:
        return trial.fail(0, "output_limit", f"more than {most // 1024} KB printed{trial.where(0)}")
    failure = _without_output(trial, answer)
    if failure is not None:
        return failure
    printed = answer.printed.decode("utf-8", "backslashreplace")
    try:
        wrong = _wrong_output(test, printed, lambda helper: call(replace(helper, cpu_s=program.cpu_s)))
    except UnfitTestError as error:
        return trial.outcome("infra_error", str(error), 0)
    if wrong is None:
        return trial.outcome("passed", "", 1)
    text = feedback.wrong_output(step.source, answer.paths.hide(printed), test.output)
    return trial.outcome("wrong_answer", f"{text}: {wrong}" if wrong else text, 0)


def _without_output(trial: Trial, answer: Answer) -> Outcome | None:
    """Rule on how a process ended; None if it ended by itself, with exit status 0."""
    if answer.seen.killed or answer.seen.exit < 0:
        return trial.ended(0)
    if answer.seen.exit == 0:
        return None
    try:
        reports = list(parse_channel(answer.channel, trial.key))
        if reports:
            _, kind, _, payload = reports[-1]
            if kind == "error":
                facts = answer.paths.hide(json.loads(payload))
                return trial.error(0, facts)
    except MALFORMED:
        pass  # a program that writes its own reports can only claim a failure, which its exit status shows as well
    return trial.fail(0, "exited_early", f"the program ended with exit status {answer.seen.exit}{trial.where(0)}")


def _wrong_output(test: StdinTest, printed: str, call: Call) -> str | None:
    """Return the fault of an output by its tokens, or by the test's checker; None if it is right.

    An empty text: that is plain to see.
    """
    if test.checker is not None:
        return _refusal(test, test.checker, printed, call)
    difference = first_difference(printed, test.output, tolerance=test.tolerance, ignore_case=test.ignore_case)
    return None if difference is None else _reason(difference)


def _refusal(test: StdinTest, checker: str, printed: str, call: Call) -> str | None:
    """Return why a test's checker does not take an output; None if it does.

    Raises:
        UnfitTestError: the checker cannot be loaded.
    """
    # Two tests: a checker that cannot be loaded fails the first one, and decides nothing about the program.
    is_there = ValueTest("(lambda: callable(check))", ())
    decides = ValueTest("check", (test.input, test.output, printed), "bool")
    values, outcome = call(Program(checker, (is_there, decides)))
    if values[:1] != [True]:
        raise UnfitTestError(f"the checker of a test cannot be used: {outcome.feedback}")
    if values[1:] == [True]:
        return None
    if outcome.verdict != "passed":
        return f"the checker failed on it: {outcome.verdict} {outcome.exception}".rstrip()
    return "the checker does not accept it"


def _reason(difference: Difference) -> str:
    """Return where outputs of several tokens differ; empty if that is the first one."""
    if difference.position == 1:
        return ""
    if difference.printed is None:
        return f"token {difference.position} is missing"
    if difference.expected is None:
        return f"token {difference.position} is one too many"
    wrong = clean(repr(shorten(difference.printed, 40)), 40)
    right = clean(repr(shorten(difference.expected, 40)), 40)
    return f"token {difference.position} is {wrong}, not {right}"
