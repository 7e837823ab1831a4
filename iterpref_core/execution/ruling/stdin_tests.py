"""Stdin tests: each runs the program as a script of its own, and its output is judged out here.

A program passes if it ends with exit status 0 and has printed the expected tokens. Where the test has a checker, a
second program, which the tested one never sees, says whether the output is right.
"""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from iterpref_core.execution.comparison.token_comparison import Difference, first_difference
from iterpref_core.execution.kinds.table import KINDS
from iterpref_core.execution.protocol.jobs import Answer, Console
from iterpref_core.execution.protocol.programs import Limits, Outcome, Program, ValueTest
from iterpref_core.execution.protocol.value_texts import clean, shorten
from iterpref_core.execution.ruling import feedback
from iterpref_core.execution.ruling.verdicts import MALFORMED, Trial, parse_channel
from iterpref_core.records import StdinTest

OUTPUT_FACTOR = 4
"""A program may print this multiple of the expected output, besides the allowance of every program."""

Observe = Callable[[Program, bytes, Console], Answer | None]
"""Runs a job on a console; returns the zygote's answer, or None if the engine failed."""
Call = Callable[[Program], tuple[list[Any], Outcome]]
"""Runs a program whose values are wanted; see `Engine.call`."""


def split(program: Program) -> list[Program]:
    """Return the programs that a program's tests make, in their order: one for each stdin test.

    Tests of other kinds that follow each other stay together.
    """
    groups: list[list[int]] = []
    after_a_script = True
    for index, test in enumerate(program.tests):
        is_script = isinstance(test, StdinTest)
        if is_script or after_a_script:
            groups.append([])
        groups[-1].append(index)
        after_a_script = is_script
    if len(groups) == 1:
        return [program]
    return [_part(program, group) for group in groups]


def _part(program: Program, indexes: list[int]) -> Program:
    tests = tuple(program.tests[index] for index in indexes)
    comparator = program.comparator
    if comparator is None:
        return replace(program, tests=tests)

    def compare_part(index: int, value: Any) -> bool:
        # The part of the tests 3 and 4 numbers them 0 and 1.
        return comparator(indexes[index], value)

    return replace(program, tests=tests, comparator=compare_part)


def run_parts(program: Program, run: Callable[[Program], Outcome]) -> Outcome:
    """Return the outcome of a program whose parts run one after the other, up to the first that does not pass."""
    passed = 0
    cpu_s = 0.0
    slowest_s = 0.0
    for part in split(program):
        outcome = run(part)
        passed += outcome.tests_passed
        cpu_s += outcome.cpu_s
        slowest_s = max(slowest_s, outcome.cpu_s)
        if outcome.verdict != "passed":
            break
    total = len(program.tests)
    return replace(outcome, tests_passed=passed, tests_total=total, cpu_s=cpu_s, slowest_s=slowest_s)


def run_on_console(program: Program, test: StdinTest, limits: Limits, observe: Observe, call: Call) -> Outcome | None:
    """Return the outcome of a program's one stdin test; None if the engine failed.

    Args:
        program: with this test alone.
        test: its input, and the output that it should have.
        limits: of the program.
        observe: runs a job on a console.
        call: runs a checker.
    """
    # A right output is about as long as the expected one: numbers may have more digits.
    most = limits.output_kb * 1024 + OUTPUT_FACTOR * len(test.output.encode())
    step = KINDS[test.kind].step(test, None)
    job = {
        "setup": program.setup,
        "code": program.code,
        "steps": [(step.kind.name, step.body)],
    }
    console = Console(test.input.encode("utf-8", "replace"), keep=most + 1)
    answer = observe(program, pickle.dumps(job), console)
    if answer is None:
        return None
    trial = Trial(program, (step,), limits, answer)
    trial.printed = len(answer.head)
    if len(answer.stdout) > most:
        return trial.fail(0, "output_limit", f"more than {most // 1024} KB printed{trial.where(0)}")
    failure = _without_output(trial, answer)
    if failure is not None:
        return failure
    printed = answer.stdout.decode("utf-8", "backslashreplace")
    if test.checker is not None:
        return _checked(trial, test, printed, call)
    difference = first_difference(printed, test.output, tolerance=test.tolerance, ignore_case=test.ignore_case)
    if difference is None:
        return trial.outcome("passed", "", 1)
    text = _wrong_tokens(step.source, answer.paths.hide(printed), test.output, difference)
    return trial.outcome("wrong_answer", text, 0)


def _without_output(trial: Trial, answer: Answer) -> Outcome | None:
    """Rule on how a script ended; None if it ended by itself, with exit status 0."""
    if answer.killed or answer.exit < 0:
        return trial.ended(0)
    if answer.exit == 0:
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
    return trial.fail(0, "exited_early", f"the program ended with exit status {answer.exit}{trial.where(0)}")


def _checked(trial: Trial, test: StdinTest, printed: str, call: Call) -> Outcome:
    """Rule on the output as the test's checker does."""
    # Two tests: a checker that cannot be loaded fails the first one, and says nothing about the program.
    is_there = ValueTest("(lambda: callable(check))", ())
    decides = ValueTest("check", (test.input, test.output, printed), "bool")
    checker = Program(test.checker or "", (is_there, decides), cpu_s=trial.program.cpu_s)
    values, outcome = call(checker)
    if values[:1] != [True]:
        return trial.outcome("infra_error", f"the checker of a test cannot be used: {outcome.feedback}", 0)
    if values[1:] == [True]:
        return trial.outcome("passed", "", 1)
    said = "the checker does not accept it"
    if outcome.verdict != "passed":
        said = f"the checker failed on it: {outcome.verdict} {outcome.exception}".rstrip()
    shown = trial.answer.paths.hide(printed)
    text = feedback.wrong_output(trial.steps[0].source, shown, test.output)
    return trial.outcome("wrong_answer", f"{text}: {said}", 0)


def _wrong_tokens(shown: str, printed: str, expected: str, difference: Difference) -> str:
    """Return `the program, given '1 2', printed '4', expected '3'`, and for long outputs where they differ."""
    text = feedback.wrong_output(shown, printed, expected)
    if difference.position == 1:
        return text
    if difference.printed is None:
        return f"{text}: token {difference.position} is missing"
    if difference.expected is None:
        return f"{text}: token {difference.position} is one too many"
    wrong = clean(repr(shorten(difference.printed, 40)), 40)
    right = clean(repr(shorten(difference.expected, 40)), 40)
    return f"{text}: token {difference.position} is {wrong}, not {right}"
