"""Own processes: tests with a process each, which run one after the other.

A program passes such a test if its process ends with exit status 0, and has printed what the test's kind takes for
right.
"""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from iterpref_core.execution.kinds.kind import UnfitTestError
from iterpref_core.execution.kinds.table import KINDS
from iterpref_core.execution.protocol.jobs import Answer, Job
from iterpref_core.execution.protocol.programs import Limits, Outcome, Program
from iterpref_core.execution.ruling import feedback
from iterpref_core.execution.ruling.verdicts import MALFORMED, Trial, parse_channel

Observe = Callable[[Program, Job], Answer]
"""Runs a job; returns the zygote's answer."""
Call = Callable[[Program], tuple[list[Any], Outcome]]
"""Runs a program whose values are wanted; see `Engine.call`."""


def take_processes(program: Program) -> bool:
    """Tell whether the tests of a program have a process each."""
    return KINDS[program.tests[0].kind].takes_process


def run_each_test(program: Program, limits: Limits, observe: Observe, call: Call) -> Outcome:
    """Return the outcome of a program whose tests run one after the other, up to the first that does not pass.

    Args:
        program: with its tests.
        limits: of the program.
        observe: runs a job.
        call: runs another program, which helps the kind to decide.
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
    kind = KINDS[test.kind]
    step = kind.step(test, None)
    job = {
        "setup": program.setup,
        "code": program.code,
        "steps": [(kind.name, step.body)],
    }
    console = kind.console(test, limits)
    answer = observe(program, Job(pickle.dumps(job), console=console))
    trial = Trial(program, (step,), limits, answer)
    trial.printed = len(answer.printed)
    most = console.keep - 1
    if len(answer.printed) > most:
        return trial.fail(0, "output_limit", f"more than {most // 1024} KB printed{trial.where(0)}")
    failure = _without_output(trial, answer)
    if failure is not None:
        return failure
    printed = answer.printed.decode("utf-8", "backslashreplace")
    try:
        wrong = kind.wrong_output(test, printed, lambda helper: call(replace(helper, cpu_s=program.cpu_s)))
    except UnfitTestError as error:
        return trial.outcome("infra_error", str(error), 0)
    if wrong is None:
        return trial.outcome("passed", "", 1)
    text = feedback.wrong_output(step.source, answer.paths.hide(printed), wrong.expected)
    return trial.outcome("wrong_answer", f"{text}: {wrong.reason}" if wrong.reason else text, 0)


def _without_output(trial: Trial, answer: Answer) -> Outcome | None:
    """Rule on how a process ended; None if it ended by itself, with exit status 0."""
    if answer.seen.killed or answer.seen.exit < 0:
        return trial.ended(0)
    if answer.seen.exit == 0:
        return None
    try:
        reports = list(parse_channel(answer.channel))
        if reports:
            _, kind, _, payload = reports[-1]
            if kind == "error":
                facts = answer.paths.hide(json.loads(payload))
                return trial.error(0, facts)
    except MALFORMED:
        pass  # a program that writes reports of its own can only say that it failed, which its exit status says
    return trial.fail(0, "exited_early", f"the program ended with exit status {answer.seen.exit}{trial.where(0)}")
