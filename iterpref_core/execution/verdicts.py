"""Verdicts, from what the sandbox reported. Nothing in here trusts the report's contents."""

import json
import logging
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from iterpref_core.execution import feedback
from iterpref_core.execution.changed_tests import Change
from iterpref_core.execution.programs import Coverage, Limits, Outcome, Program
from iterpref_core.execution.sandbox.encoding import decode
from iterpref_core.execution.sandbox.process_limits import MAX_PROCESSES, MAX_THREADS
from iterpref_core.execution.steps import RETURNING, Step
from iterpref_core.records import Verdict

logger = logging.getLogger(__name__)

TAMPERED = "the program interfered with its tests"
_MALFORMED = (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading raises that the harness cannot have written."""
_COVERAGE = TypeAdapter(Coverage | None)


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
        if not 0 <= index < len(self.steps):
            return " while the program was loaded" if index < 0 else " after the last test"
        step = self.steps[index]
        if step.kind == "unittest":
            return " in the unit tests"
        text = step.body["run"] if step.kind == "script" else feedback.call_text(step.source).removesuffix(",")
        return f" in {text}"

    def value(self, index: int, payload: str) -> Outcome | None:
        """Rule on a returned value; None if it is right."""
        step, expected = self.steps[index], self.steps[index].expected
        assert expected is not None
        if expected.text and payload == expected.text:
            return None
        actual = decode(payload)
        if step.kind == "stdin" and type(actual) is not str:
            return self.fail(index, "output_limit", f"too much printed{self.where(index)}")
        if self._right(step, actual):
            return None
        if step.kind == "stdin":
            return self.fail(index, "wrong_answer", feedback.wrong_output(step.source, actual))
        text = feedback.wrong_value(step.source, feedback.shown(actual, payload), expected.source)
        return self.fail(index, "wrong_answer", text)

    def _right(self, step: Step, actual: Any) -> bool:
        """Whether a value is right. What cannot be compared is not; a judge that fails has an error of its own."""
        assert step.expected is not None
        try:
            return bool(step.expected.holds(actual))
        except Exception:
            if self.program.judge is not None:
                logger.exception("the judge of test %d (%s) failed on a value", step.test, step.source)
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
                raise ValueError("a report out of order")
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
            self.coverage = _COVERAGE.validate_json(report.payload)
            return None
        if not 0 <= index < len(self.steps):
            raise ValueError("a report about no test")
        step = self.steps[index]
        returns = step.kind in RETURNING
        if kind == "value" and returns:
            return self.value(index, report.payload)
        if kind == "type" and returns:
            source = step.expected.source if step.expected else None
            return self.fail(index, "bad_return_type", feedback.wrong_type(step.source, report.payload, source))
        if kind == "raised" and step.kind == "raises":
            return self.raised(index, json.loads(report.payload))
        if kind == "passed" and not returns:
            return None
        raise ValueError(f"a report of kind {kind!r} about a {step.kind}")

    def raised(self, index: int, names: list[str]) -> Outcome | None:
        """Rule on what was raised: the names of its classes."""
        step = self.steps[index]
        assert step.expected is not None
        if step.expected.source in names:
            return None
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
    except _MALFORMED:
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
    except _MALFORMED:
        return True
    return False
