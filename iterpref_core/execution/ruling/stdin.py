"""Run `stdin` tests, whose program is a script that reads and prints. Each test has a process of its own.

A program passes the test if its process ends with exit status 0 and has printed the expected tokens. If the test has a
checker, this second program decides whether the output is right. The tested program never sees the checker. The kernel
hands the output to the supervisor.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from iterpref_core.records import StdinTest, Verdict

from ..comparison.token_comparison import OutputDifference, first_difference
from ..protocol.programs import Limits, Outcome, Program, ValueTest, shown_input
from ..protocol.steps import SandboxStep
from ..protocol.value_texts import clean, shorten
from . import feedback
from .steps import Step
from .verdicts import MALFORMED, Trial, parse_channel

OUTPUT_FACTOR = 4
"""A program may print this multiple of the expected output, in addition to the allowance of every program."""
Observe = Callable[..., Trial]
"""Runs a program as a script, with the steps of its tests, `stdin` and `keep`; see `protocol.jobs.Job`."""
Call = Callable[[Program], tuple[list[Any], Outcome]]
"""Runs a program whose values are wanted; see `Engine.call`."""


def run_each_test(program: Program, limits: Limits, observe: Observe, call: Call) -> Outcome:
    """Return the outcome of a program whose tests run one after the other, up to the first that does not pass.

    Args:
        program: with its tests.
        limits: of the program.
        observe: runs the program with the input of a test.
        call: runs another program, which helps to decide.
    """
    used_s = slowest_s = 0.0
    for index, test in enumerate(program.tests):
        assert isinstance(test, StdinTest)
        outcome = _run_alone(program, index, test, limits, observe, call)
        used_s += outcome.cpu_s
        slowest_s = max(slowest_s, outcome.cpu_s)
        if outcome.verdict != "passed":
            break
    return replace(outcome, cpu_s=used_s, slowest_s=slowest_s)


def _run_alone(program: Program, index: int, test: StdinTest, limits: Limits, observe: Observe, call: Call) -> Outcome:
    """Return the outcome of a program after one of its tests, which has a process to itself."""
    shown = shown_input(test.input)
    step = Step(SandboxStep("call", index, ""), shown, is_call=True, place=shown.removesuffix(","))
    # A right output is about as long as the expected one: numbers may have more digits.
    most = limits.output_kb * 1024 + OUTPUT_FACTOR * len(test.output.encode())
    stdin = test.input.encode("utf-8", "replace")
    trial = observe(program, (step,), stdin=stdin, keep=most + 1)
    answer = trial.answer
    trial.printed = len(answer.output)
    # The kernel has kept one byte more than is allowed.
    if len(answer.output) > most:
        return trial.fail(0, "output_limit", f"more than {most // 1024} KB printed{trial.where(0)}")
    failure = _without_output(trial)
    if failure is not None:
        return failure
    printed = answer.output.decode("utf-8", "backslashreplace")
    verdict, fault = _judged(program, test, printed, call)
    if verdict == "wrong_answer":
        text = feedback.wrong_output(step.source, answer.paths.hide(printed), test.output)
        fault = f"{text}: {fault}" if fault else text
    return trial.outcome(verdict, fault, index + (verdict == "passed"))


def _without_output(trial: Trial) -> Outcome | None:
    """Rule on how a process ended; None if it ended by itself, with exit status 0."""
    answer = trial.answer
    if answer.killed or answer.exit < 0:
        return trial.ended(0)
    if answer.exit == 0:
        return None
    try:
        for _, kind, _, payload in parse_channel(answer.channel, trial.key):
            if kind == "error":
                return trial.error(0, answer.paths.hide(json.loads(payload)))
    except MALFORMED:
        pass  # a program that writes its own reports can only claim a failure, which its exit status shows as well
    return trial.fail(0, "exited_early", f"the program ended with exit status {answer.exit}{trial.where(0)}")


def _judged(program: Program, test: StdinTest, printed: str, call: Call) -> tuple[Verdict, str]:
    """Return the verdict on an output by its tokens, or by the test's checker, and its fault, if it is not plain."""
    if test.checker is None:
        difference = first_difference(printed, test.output, tolerance=test.tolerance, ignore_case=test.ignore_case)
        return ("passed", "") if difference is None else ("wrong_answer", _reason(difference))
    # Two tests: a checker that cannot be loaded fails the first one, and decides nothing about the program.
    is_there = ValueTest("(lambda: callable(check))", ())
    decides = ValueTest("check", (test.input, test.output, printed), "bool")
    values, outcome = call(Program(test.checker, (is_there, decides), cpu_s=program.cpu_s))
    if values[:1] != [True]:
        return "infra_error", f"the checker of a test cannot be used: {outcome.feedback}"
    if values[1:] == [True]:
        return "passed", ""
    if outcome.verdict != "passed":
        return "wrong_answer", f"the checker failed on it: {outcome.verdict} {outcome.exception}".rstrip()
    return "wrong_answer", "the checker does not accept it"


def _reason(difference: OutputDifference) -> str:
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
