"""Trajectory survey: what models answered, and, where no pair came of it, why, and what to change."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from iterpref_core.inference.answer_extraction import lacks_program
from iterpref_core.records import Trajectory

MANY = 0.1
"""Share of answers without a program above which it is told where there are pairs, too."""
_SHOWN = 80  # characters of an answer

_REMEDIES = {
    "unsolved": "name a stronger model.debugger, raise codeflow.max_iterations or codeflow.max_new_tokens, or take "
    "easier problems",
    "solved_by_draft": "no version failed: take harder problems, raise codeflow.temperature, or have a weaker model "
    "draft (codeflow.draft_model)",
    "truncated": "raise codeflow.max_new_tokens",
    "no_program": "name models that follow instructions, or set codeflow.wording: instruct",
    "fails_hidden_tests": "set pairs.pass_hidden: false, or name a stronger model.debugger",
    "long_error_region": "raise pairs.max_error_lines",
    "too_long": "raise pairs.max_tokens",
    "contaminated": "take other problems, or set pairs.contaminated: keep",
}


@dataclass
class TrajectorySurvey:
    """Counts over trajectories; versions that passed are counted nowhere but among the answers.

    `answers` and `without_program` are by whether it was a problem's first answer; `example` is one of the latter.
    """

    problems: int = 0
    refused: int = 0
    answers: Counter[bool] = field(default_factory=Counter)
    without_program: Counter[bool] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    example: str = ""

    def watch(self, trajectories: Iterable[Trajectory]) -> Iterator[Trajectory]:
        """Pass the trajectories on, counted."""
        for trajectory in trajectories:
            self.problems += 1
            self.refused += trajectory.refused or 0
            for number, attempt in enumerate(trajectory.attempts):
                self.answers[number == 0] += 1
                if attempt.verdict == "passed":
                    continue
                self.failures[attempt.verdict] += 1
                if lacks_program(attempt.code):
                    self.without_program[number == 0] += 1
                    self.example = self.example or attempt.code.strip()
            yield trajectory

    def explain_prose(self) -> str:
        """What to do where more than `MANY` of the answers held no program; empty where fewer did."""
        if self.without_program.total() <= MANY * self.answers.total():
            return ""
        first, later = (f"{self.without_program[key]} of {self.answers[key]}" for key in (True, False))
        shown = f"begins {self.example[:_SHOWN]!r}" if self.example else "is empty"
        return (
            f"{first} first and {later} later answers hold no program; one {shown}: name models that follow "
            "instructions, set codeflow.wording: instruct and model.prompt: auto, or raise codeflow.max_new_tokens"
        )

    def explain_none(self, dropped: Mapping[str, int]) -> str:
        """Why there is no pair, the commonest reason first, and what to change.

        Args:
            dropped: how many trajectories made no pair, by reason.
        """
        if not self.problems:
            return "there is no trajectory; debug some problems first"
        found = {reason: count for reason, count in Counter(dropped).most_common() if count}
        parts = [f"of {self.problems} problems none gave a pair: " + _listed(found)]
        if self.failures:
            parts.append(f"versions failed by {_listed(dict(self.failures.most_common()))}")
        if self.refused:
            parts.append(f"{self.refused} prompts were refused by the model's server: shorten them or raise its limit")
        parts += [text for text in (self.explain_prose(),) if text]
        parts += [f"{reason}: {_REMEDIES.get(reason, 'see docs/pairs.md')}" for reason in found]
        return "\n  ".join(parts)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
