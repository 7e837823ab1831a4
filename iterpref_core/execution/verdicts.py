"""Verdicts, from what the sandbox reported. Nothing in here trusts the report's contents."""

import json
import logging
import math
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from iterpref_core.execution import feedback
from iterpref_core.execution.changed_tests import Change
from iterpref_core.execution.programs import Coverage, Judge, Limits, Outcome, Program
from iterpref_core.execution.sandbox.encoding import Digest, MalformedError, decode
from iterpref_core.execution.sandbox.process_limits import MAX_PROCESSES, MAX_THREADS
from iterpref_core.execution.steps import RETURNING, Step
from iterpref_core.records import Verdict

logger = logging.getLogger(__name__)


TAMPERED = "the program interfered with its tests"


@dataclass(frozen=True)
class Answer:
    """What a zygote observed from outside of a program, and the raw bytes of the program's channel.

    `root` is the folder that the program's own was in.
    """

    killed: str | None
    exit: int
    cpu: float
    wall: float
    printed: int
    root: str
    head: bytes
    channel: bytes


class TamperedError(Exception):
    """The channel holds something that the harness cannot have written."""


@dataclass(slots=True)
class Report:
    """One line of the channel."""

    index: int
    kind: str
    printed: int
    payload: str


def parse_channel(channel: bytes) -> Iterator[Report]:
    """The reports of a channel, as far as they are asked for; an unfinished last line is left out."""
    start = 0
    while (end := channel.find(b"\n", start)) >= 0:
        index, kind, printed, payload = channel[start:end].decode("utf-8").split(" ", 3)
        yield Report(int(index), kind, int(printed), payload)
        start = end + 1


def is_close(actual: Any, expected: Any, atol: float) -> bool:
    """`numpy.allclose` for the plain values that tasks return; anything else is not close."""
    import numpy as np

    if type(actual) is not type(expected):
        return False
    if isinstance(expected, list | tuple) and len(actual) != len(expected):
        return False
    try:
        return bool(np.allclose(actual, expected, rtol=1e-07, atol=atol))
    except (TypeError, ValueError, OverflowError):
        return False


def _coverage(payload: str) -> Coverage | None:
    """A measurement, if it is one that can be: it comes from inside.

    Raises:
        TamperedError: it cannot be.
    """
    facts = json.loads(payload)
    if facts is None:
        return None
    found = Coverage(facts["lines"], tuple(facts["missing"]), facts["branches"], facts["taken"])
    numbers = [found.lines, *found.missing, found.branches, found.taken]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise TamperedError("a measurement of something else than numbers")
    if len(found.missing) > found.lines or found.taken > found.branches:
        raise TamperedError("more was reached than there is")
    return found


def _identical(left: Any, right: Any) -> bool:
    """Equality with exact types all the way down; nan equals nan, 0.0 equals -0.0."""
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is float:
        return bool(left == right or (math.isnan(left) and math.isnan(right)))
    if kind is list or kind is tuple:
        return len(left) == len(right) and all(map(_identical, left, right))
    if kind is dict:
        kinds = {key: type(key) for key in left}
        return left.keys() == right.keys() and all(
            type(key) is kinds[key] and _identical(left[key], value) for key, value in right.items()
        )
    if kind is set or kind is frozenset:
        kinds = {item: type(item) for item in left}
        return bool(left == right) and all(type(item) is kinds[item] for item in right)
    return bool(left == right)


class _Trial:
    """One program, its steps and what was observed; each method rules on one kind of evidence."""

    def __init__(self, program: Program, steps: Sequence[Step], limits: Limits, answer: Answer) -> None:
        self.program, self.steps, self.limits, self.answer = program, steps, limits, answer
        self.printed = 0
        self.coverage: Coverage | None = None

    def fail(self, index: int, verdict: Verdict, text: str, exception: str = "") -> Outcome:
        """A failure at a step (-1: before the first test)."""
        root = self.answer.root
        if verdict in ("wrong_answer", "exception", "bad_return_type"):
            text = feedback.with_printed(text, self.answer.head[: self.printed].replace(root.encode(), b"."))
        return self.outcome(
            verdict, text.replace(f"{root}/w", "."), 0 if index < 0 else self.steps[index].test, exception
        )

    def outcome(self, verdict: Verdict, text: str, passed: int, exception: str = "") -> Outcome:
        """The verdict with all that is known besides; the isolation is the executor's to add."""
        return Outcome(
            verdict=verdict,
            feedback=text,
            tests_passed=passed,
            tests_total=len(self.program.tests),
            exception=exception,
            cpu_s=self.answer.cpu,
            wall_s=self.answer.wall,
            coverage=self.coverage if verdict == "passed" else None,
        )

    def too_much_output(self, ruling: Outcome) -> bool:
        """Whether printing is to blame; a wrong value that came before stays the verdict."""
        exempt = ("wrong_answer", "bad_return_type", "syntax_error")
        return self.answer.printed > self.limits.output_kb * 1024 and ruling.verdict not in exempt

    def where(self, index: int) -> str:
        """` in f([1, 2])`, for what ended the program in the midst of a step."""
        if index < 0:
            return " while the program was loaded"
        if index >= len(self.steps):
            return " after the last test"
        step = self.steps[index]
        if step.kind == "script":
            return f" in {step.body['run']}"
        if step.kind == "unittest":
            return " in the unit tests"
        if step.kind == "stdin":
            return f" in {feedback.call_text(step.source).removesuffix(',')}"
        return f" in {feedback.call_text(step.source)}"

    def value(self, index: int, payload: str) -> Outcome | None:
        """Rule on a returned value; None if it is right."""
        step, expected = self.steps[index], self.steps[index].expected
        if expected is not None and expected.text and payload == expected.text:
            return None
        try:
            actual = decode(payload)
        except MalformedError as error:
            raise TamperedError(str(error)) from None
        if step.kind == "stdin":
            if isinstance(actual, Digest):
                return self.fail(index, "output_limit", f"{actual.size} bytes printed{self.where(index)}")
            if type(actual) is not str:
                raise TamperedError("something was printed that is no text")
        if self._right(step, actual):
            return None
        if step.kind == "stdin":
            return self.fail(index, "wrong_answer", feedback.wrong_output(step.source, actual))
        source = expected.source if expected else None
        text = feedback.wrong_value(step.source, feedback.shown(actual, payload), source)
        return self.fail(index, "wrong_answer", text)

    def _right(self, step: Step, actual: Any) -> bool:
        if self.program.judge is not None and step.expected is None:
            return self._judged(self.program.judge, step, actual)
        assert step.expected is not None
        wanted = step.expected.value
        try:
            if step.kind == "call":
                return _identical(wanted, actual)
            return bool(step.expected.holds(actual)) or (step.atol > 0 and is_close(actual, wanted, step.atol))
        except (RecursionError, TypeError, ValueError, ArithmeticError):
            return False  # what cannot be compared, such as what is nested too deeply, is not equal

    @staticmethod
    def _judged(judge: Judge, step: Step, actual: Any) -> bool:
        """A benchmark's own ruling. A judge that fails on a value has an error of its own: logged, and not passed."""
        try:
            return judge(step.test, actual)
        except Exception:
            logger.exception("the judge of test %d (%s) failed on a value", step.test, feedback.call_text(step.source))
            return False

    def error(self, index: int, facts: dict[str, Any]) -> Outcome:
        """Rule on an exception."""
        step = self.steps[index] if index >= 0 else None
        if self.program.measure and isinstance(facts["line"], int):
            facts["line"] -= self.program.preamble.count("\n")
        special = self._special_error(facts, self.where(index))
        if special is not None:
            return self.fail(index, *special, feedback.clean(str(facts["raised"]), 60))
        if step is not None and facts["in_test"] and facts["type"] == "AssertionError":
            return self.fail(index, "wrong_answer", feedback.failed_check(step.source, facts))
        text = feedback.error_text(facts, self.program.code)
        if step is not None and step.kind in RETURNING:
            text = f"{feedback.call_text(step.source)} raised {text}"
        return self.fail(index, "exception", text, feedback.clean(str(facts["type"]), 60))

    def _special_error(self, facts: dict[str, Any], where: str) -> tuple[Verdict, str] | None:
        """Errors with a verdict of their own."""
        if facts["own"]:
            return "wrong_answer", feedback.clean(facts["message"], feedback.MAX_FEEDBACK)
        if facts["syntax"]:
            return "syntax_error", feedback.error_text(facts, self.program.code)
        if "MemoryError" in facts["bases"]:
            return "memory", f"memory limit of {self.limits.memory_mb} MB exceeded{where}"
        if "SystemExit" in facts["bases"]:
            return "exited_early", f"the program called sys.exit{where}"
        return None

    def ended(self, index: int) -> Outcome:
        """Rule on a program that ended, or was ended, in the midst of a step."""
        answer, where = self.answer, self.where(index)
        if answer.killed == "disk":
            return self.fail(index, "output_limit", f"too many or too large files written{where}")
        if answer.killed == "processes":
            text = f"more than {MAX_PROCESSES} processes or {MAX_THREADS} threads at a time{where}"
            return self.fail(index, "crash", text)
        if over := self._time_limit():
            return self.fail(index, "timeout", over + where)
        if answer.exit < 0:
            known = {number.value: number.name for number in signal.Signals}
            name = known.get(-answer.exit, f"signal {-answer.exit}")
            return self.fail(index, "crash", f"crashed with {name}{where}")
        return self.fail(index, "exited_early", f"the process ended{where}")

    def _time_limit(self) -> str | None:
        """The limit of time at which the program was ended, if it was at one."""
        killed, limits = self.answer.killed, self.limits
        if killed in ("wall", "starved"):
            return f"no end within {feedback.seconds(limits.wall_s)} of real time"
        if killed in ("test", "slowed in a test"):
            return f"time limit of {feedback.seconds(self.program.test_cpu_s or 0.0)} for one test exceeded"
        if killed in ("cpu", "slowed") or self.answer.exit == -signal.SIGXCPU:
            return f"time limit of {feedback.seconds(limits.cpu_s)} exceeded"
        return None

    def rule(self) -> Outcome:
        """The first failure in the order of the steps, or that all passed."""
        seen = -1
        for seen, report in enumerate(parse_channel(self.answer.channel)):
            index, self.printed = report.index, report.printed
            if index != seen - 1:
                raise TamperedError("a report out of order")
            if report.kind == "error":
                return self.error(index, json.loads(report.payload))
            failure = self._step(report)
            if failure is not None:
                return failure
            if report.kind == "done":
                return self.outcome("passed", "", len(self.program.tests))
        return self.ended(seen)

    def _step(self, report: Report) -> Outcome | None:  # noqa: PLR0911 - one a kind of report
        index, kind = report.index, report.kind
        if kind == "loaded" and index == -1:
            return None
        if kind == "done" and index == len(self.steps) + self.program.measure:
            return None
        if kind == "coverage" and index == len(self.steps) and self.program.measure:
            self.coverage = _coverage(report.payload)
            return None
        if not 0 <= index < len(self.steps):
            raise TamperedError("a report about no test")
        step = self.steps[index]
        returns = step.kind in RETURNING
        if kind == "value" and returns:
            return self.value(index, report.payload)
        if kind == "type" and returns:
            source = step.expected.source if step.expected else None
            text = feedback.wrong_type(step.source, report.payload, source)
            return self.fail(index, "bad_return_type", text)
        if kind == "raised" and step.kind == "raises":
            return self.raised(index, json.loads(report.payload))
        if kind == "passed" and not returns:
            return None
        raise TamperedError(f"a report of kind {kind!r} about a {step.kind}")

    def raised(self, index: int, names: Any) -> Outcome | None:
        """Rule on what was raised: the names of its classes."""
        step = self.steps[index]
        assert step.expected is not None
        if type(names) is not list or step.expected.source in names:
            return None if type(names) is list else self.fail(index, "tampered", TAMPERED)
        found = f"raised {feedback.clean(str(names[0]), 60)}" if names else "raised nothing"
        text = f"{feedback.call_text(step.source)} {found}, expected {step.expected.source}"
        return self.fail(index, "wrong_answer", text)


def rule(program: Program, steps: Sequence[Step], limits: Limits, answer: Answer) -> Outcome:
    """The verdict on a program.

    Args:
        program: the program.
        steps: its steps, as they were sent.
        limits: the limits in force.
        answer: what the zygote observed.
    """
    trial = _Trial(program, steps, limits, answer)
    try:
        outcome = trial.rule()
    except (TamperedError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError):
        return trial.outcome("tampered", TAMPERED, 0)
    if trial.too_much_output(outcome):
        return trial.outcome("output_limit", f"more than {limits.output_kb} KB printed", outcome.tests_passed)
    return outcome


def is_deceit(change: Change, answer: Answer) -> bool:
    """Whether a program has passed a changed test. One that ends before has shown nothing."""
    try:
        for report in parse_channel(answer.channel):
            if report.index not in change.must_fail:
                continue
            if report.kind == "passed":
                return True
            failed = json.loads(report.payload)["failed"] if report.kind == "error" else []
            if failed and not change.must_fail[report.index] <= set(failed):
                return True
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return True
    return False
