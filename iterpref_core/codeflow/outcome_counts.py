"""Outcome counts of a CodeFlow run: pass rate by iteration, verdicts, tokens."""

from collections import Counter
from typing import get_args

from iterpref_core.inference.answer_extraction import lacks_program
from iterpref_core.records import UNDECIDED, Trajectory, Verdict

MAX_CUT_SHARE = 0.02
"""Share of answers cut off at the length limit above which a run says so."""


class OutcomeCounts:
    """Counts over trajectories.

    `pass_rate/i` is the share of *all* problems solved by iteration i (with sampling: sample i) or an earlier one, the
    paper's figure 6. `mixed` problems have an attempt that passes and one that fails. `solved_but_fails_hidden` have a
    version that passes the visible tests and fails the hidden ones. `refused` prompts were not answered. `no_program`
    answers are prose, or nothing.
    """

    def __init__(self, last_iteration: int) -> None:
        self._last_iteration = last_iteration
        self._problems = 0
        self.mixed = 0
        self._refused = 0
        self._fails_hidden = 0
        self._no_program = 0
        self._solved_at: Counter[int] = Counter()
        self._verdicts: Counter[tuple[int, str]] = Counter()
        self._prompt_tokens = 0
        self._completion_tokens = 0

    @property
    def solved(self) -> int:
        """Problems with a version that passes the visible tests."""
        return self._solved_at.total()

    def add(self, trajectory: Trajectory) -> None:
        """Count one."""
        self._problems += 1
        passing = [attempt.iteration for attempt in trajectory.attempts if attempt.verdict == "passed"]
        if passing:
            self._solved_at[passing[0]] += 1
        failed = any(attempt.verdict not in UNDECIDED for attempt in trajectory.attempts)
        self.mixed += bool(passing) and failed
        self._refused += trajectory.refused or 0
        self._fails_hidden += any(attempt.fails_hidden for attempt in trajectory.attempts)
        for attempt in trajectory.attempts:
            self._no_program += attempt.verdict != "passed" and lacks_program(attempt.code)
            self._verdicts[attempt.iteration, attempt.verdict] += 1
            self._prompt_tokens += attempt.prompt_tokens
            self._completion_tokens += attempt.completion_tokens

    def advice(self) -> str:
        """What to change where more than `MAX_CUT_SHARE` of the answers were cut off; empty where fewer were."""
        answers = self._verdicts.total()
        cut = sum(count for (_, verdict), count in self._verdicts.items() if verdict == "truncated")
        return f"{cut} of {answers} answers were cut: raise codeflow.max_new_tokens" * (cut > MAX_CUT_SHARE * answers)

    def metrics(self) -> dict[str, float]:
        """The counts so far; at least one problem must have passed.

        `verdicts/<verdict>` are totals, with zeros; `verdicts/<iteration>/<verdict>` are those that occurred.
        """
        curve = (
            sum(self._solved_at[earlier] for earlier in range(iteration + 1)) / self._problems
            for iteration in range(self._last_iteration + 1)
        )
        totals: Counter[str] = Counter()
        for (_, verdict), count in self._verdicts.items():
            totals[verdict] += count
        return {
            "problems": self._problems,
            "solved": self.solved,
            "solved_but_fails_hidden": self._fails_hidden,
            "refused": self._refused,
            "no_program": self._no_program,
            **{f"pass_rate/{iteration}": rate for iteration, rate in enumerate(curve)},
            "llm_calls": self._verdicts.total(),
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._completion_tokens,
            **{f"verdicts/{verdict}": totals[verdict] for verdict in get_args(Verdict)},
            **{f"verdicts/{n}/{verdict}": count for (n, verdict), count in sorted(self._verdicts.items())},
        }
