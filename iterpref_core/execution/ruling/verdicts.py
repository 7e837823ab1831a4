"""Decide verdicts on the reports of the sandbox, whose contents are not trusted."""

import json
import logging
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from iterpref_core.records import Verdict

from ..codec.canonical import MAX_TEXT, decode
from ..isolation.process_limits import MAX_PROCESSES, MAX_THREADS
from ..protocol.jobs import HEAD_OF_OUTPUT, Answer
from ..protocol.programs import Limits, Outcome, Program
from ..protocol.value_texts import clean, shown
from . import feedback
from .steps import Step

logger = logging.getLogger(__name__)

TAMPERED = "the program interfered with its tests"
MALFORMED = (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError)
"""Errors that reading a forged report raises; a child itself writes no such report."""


MAX_REPORT = MAX_TEXT + 4096
"""Bytes of a report that are decoded: the longest text of a value, with the head of the report."""


def parse_channel(channel: bytes, key: str) -> Iterator[tuple[int, str, int, str]]:
    """Yield index of the step, kind, bytes printed so far and payload of each report; an unfinished one is left out.

    Args:
        channel: its bytes.
        key: that each report of the process begins with.

    Raises:
        ValueError: a line is longer than any report, or not the process's own. Decoded, `[[],[],...]` takes thirty
            times its size.
    """
    start = 0
    end = channel.find(b"\n")
    while end >= 0:
        if end - start > MAX_REPORT:
            raise ValueError("a line that is longer than a report")
        line = channel[start:end].decode("utf-8")
        # `5f0c2a 0 value 17 [1, 2]`: a payload may have blanks of its own.
        said, index, kind, printed, payload = line.split(" ", 4)
        if said != key:
            raise ValueError("a report without its key")
        yield int(index), kind, int(printed), payload
        start = end + 1
        end = channel.find(b"\n", start)


def _is_check(facts: dict[str, Any]) -> bool:
    """Return whether a check of a test has failed: in the test, or in what it has called that is not the program."""
    is_check = facts["type"] in ("AssertionError", "Failed") and facts["test_line"]
    return bool(is_check and (facts["in_test"] or facts["line"] is None))


@dataclass
class Trial:
    """One program, its steps and the zygote's answer; each method rules on one kind of evidence.

    Attributes:
        program: the program.
        steps: its steps, as they were sent.
        limits: the limits in force.
        answer: the zygote's.
        key: of the reports.
        printed: bytes printed up to the last report.
        begun: name of the test of a suite that has begun last; empty if none has.
    """

    program: Program
    steps: Sequence[Step]
    limits: Limits
    answer: Answer
    key: str
    printed: int = 0
    begun: str = ""

    def fail(self, index: int, verdict: Verdict, text: str, exception: str = "") -> Outcome:
        """Return a failure at a step (-1: before the first test)."""
        if verdict in ("wrong_answer", "exception", "bad_return_type"):
            printed = self.answer.output[: min(self.printed, HEAD_OF_OUTPUT)].decode("utf-8", "backslashreplace")
            text = feedback.with_printed(text, self.answer.paths.hide(printed))
        # A program may end after its last step.
        passed = 0 if index < 0 else len(self.program.tests)
        if 0 <= index < len(self.steps):
            passed = self.steps[index].test
        return self.outcome(verdict, text, passed, exception)

    def outcome(self, verdict: Verdict, text: str, passed: int, exception: str = "") -> Outcome:
        """Return a verdict with all other facts but the isolation, to which the executor adds the layers."""
        return Outcome(
            verdict=verdict,
            feedback=text,
            tests_passed=passed,
            tests_total=len(self.program.tests),
            exception=exception,
            cpu_s=self.answer.cpu_s,
            slowest_s=self.answer.cpu_s,
        )

    def where(self, index: int) -> str:
        """Return the place of an end in the midst of a step, such as ` in f([1, 2])`."""
        if not 0 <= index < len(self.steps):
            return " while the program was loaded" if index < 0 else " after the last test"
        step = self.steps[index]
        return f" in {feedback.call_text(self.begun or step.place or step.source)}"

    def value(self, index: int, kind: str, payload: str) -> Outcome | None:
        """Rule on a returned value; return None if it is right.

        Args:
            index: of the step.
            kind: `value`, or `other` for a value without a text, such as a generator.
            payload: the value's text, or the name of its type and its truth.
        """
        step = self.steps[index]
        expected = step.expected
        assert expected is not None
        if kind == "other":
            name, _, truth = payload.rpartition(" ")
            is_known = expected.truth and truth in ("True", "False")
            if is_known and expected.holds(truth == "True"):
                return None
            text = feedback.wrong_type(step.source, self.answer.paths.hide(name), expected.source)
            return self.fail(index, "wrong_answer" if is_known else "bad_return_type", text)
        # Most values are right: their texts are compared without decoding them. `nan` equals itself here.
        if expected.text and payload == expected.text:
            return None
        actual = decode(payload)
        try:
            if expected.holds(actual):
                return None
        except Exception:  # what cannot be compared is not right
            if self.program.comparator is not None:  # a comparator that fails has an error of its own
                logger.exception("the comparator of test %d (%s) failed on a value", step.test, step.source)
        # `/tmp/x7/w/a.txt` is shown as `./a.txt`.
        returned = self.answer.paths.hide(shown(actual, payload))
        return self.fail(index, "wrong_answer", feedback.wrong_value(step.source, returned, expected.source))

    def error(self, index: int, facts: dict[str, Any]) -> Outcome:
        """Rule on an exception."""
        step = self.steps[index] if index >= 0 else None
        kind = clean(str(facts["type"]), 60)
        bases = facts["bases"]
        where = self.where(index)
        if kind == "TestFailedError":
            return self.fail(index, "wrong_answer", clean(facts["message"], feedback.MAX_FEEDBACK))
        test = f"{clean(facts['suite'], 100)}: " if facts["suite"] else ""
        if step is not None and _is_check(facts):
            return self.fail(index, "wrong_answer", test + feedback.failed_check(step.source, facts))
        text = test + feedback.error_text(facts, self.program.code)
        if step is not None and step.sent.is_inside and not facts["syntax"]:
            text += feedback.in_the_test(step.source, facts)
        if facts["syntax"]:
            return self.fail(index, "syntax_error", text)
        line = feedback.line_of(facts, self.program.code)
        # By base class: numpy raises its own subclass.
        if "MemoryError" in bases:
            return self.fail(index, "memory", f"memory limit of {self.limits.memory_mb} MB exceeded{where}{line}")
        if "SystemExit" in bases:
            return self.fail(index, "exited_early", f"the program called sys.exit{where}{line}")
        is_told = step is not None and (step.is_call or (facts["line"] and not step.sent.is_inside))
        if step is not None and is_told:
            text = f"{feedback.call_text(step.source)} raised {text}"
        return self.fail(index, "exception", text, kind)

    def ended(self, index: int) -> Outcome:
        """Rule on a program that ended, or was ended, in the midst of a step."""
        answer = self.answer
        where = self.where(index)
        # Seen by the zygote while the program ran.
        if answer.killed == "disk":
            return self.fail(index, "output_limit", f"too many or too large files written{where}")
        if answer.killed == "processes":
            text = f"more than {MAX_PROCESSES} processes or {MAX_THREADS} threads at a time{where}"
            return self.fail(index, "crash", text)
        # The kernel's limit acts a moment before the zygote looks.
        killed = "cpu" if answer.exit == -signal.SIGXCPU else answer.killed
        if killed:
            return self.fail(index, "timeout", self._over_time(killed) + where)
        if answer.exit < 0:
            known = {number.value: number.name for number in signal.Signals}
            name = known.get(-answer.exit, f"signal {-answer.exit}")
            return self.fail(index, "crash", f"crashed with {name}{where}")
        return self.fail(index, "exited_early", f"the process ended{where}")

    def _over_time(self, killed: str) -> str:
        """Return the words for a limit of time: `cpu`, `wall`, or `test` for the CPU time of one test."""
        if killed == "wall":
            return f"no end within {self.limits.wall_s:g} s of real time"
        if killed == "test":
            return f"time limit of {self.program.test_cpu_s:g} s for one test exceeded"
        return f"time limit of {self.limits.cpu_s:g} s exceeded"

    def _ruled(self) -> Outcome:
        """Return the first failure in the order of the steps, or that all passed."""
        seen = -1
        for index, kind, printed, payload in parse_channel(self.answer.channel, self.key):
            # The reports are -1 (`loaded`), 0, 1, 2 and so on.
            if index != seen:
                raise ValueError("a report out of order")
            if kind == "begun":
                self.begun = payload
                continue
            seen, self.begun, self.printed = seen + 1, "", printed
            if kind == "error":
                return self.error(index, self.answer.paths.hide(json.loads(payload)))
            if kind == "done" and index == len(self.steps):
                return self.outcome("passed", "", len(self.program.tests))
            if not (kind == "loaded" and index == -1):
                failure = self.report(index, kind, payload)
                if failure is not None:
                    return failure
        return self.ended(seen)

    def report(self, index: int, kind: str, payload: str) -> Outcome | None:
        """Rule on a report other than an error; return None if it is right."""
        if not 0 <= index < len(self.steps):
            raise ValueError("a report about no test")
        step = self.steps[index]
        if step.expected and kind in ("value", "other"):
            return self.value(index, kind, payload)
        # A program with the key may forge this report, for a test that is marked as inside.
        if kind == "passed" and step.sent.is_inside:
            return None
        raise ValueError(f"a report of kind {kind!r} about the test {step.test}")

    def rule(self) -> Outcome:
        """Return the verdict on the program."""
        # A forged report can raise any of these errors where it is read.
        try:
            outcome = self._ruled()
        except MALFORMED:
            return self.outcome("tampered", TAMPERED, 0)
        exempt = ("wrong_answer", "bad_return_type", "syntax_error")  # a wrong value that came before stays the verdict
        if self.answer.printed > self.limits.output_kb * 1024 and outcome.verdict not in exempt:
            return self.outcome("output_limit", f"more than {self.limits.output_kb} KB printed", outcome.tests_passed)
        return outcome
