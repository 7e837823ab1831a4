"""What a CodeFlow run comes to, counted while its trajectories stream by."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import get_args

from iterpref_core.records import Trajectory, Verdict


class Tally:
    """Counts over trajectories.

    `pass_rate/i` is the share of *all* problems solved by iteration i (with sampling: sample i) or an earlier one, the
    paper's figure 6. `mixed` problems have an attempt that passes and one that fails.
    """

    def __init__(self, last_iteration: int) -> None:
        self._last_iteration = last_iteration
        self._problems = 0
        self.mixed = 0
        self._solved_at: Counter[int] = Counter()
        self._verdicts: Counter[str] = Counter()
        self._prompt_tokens = 0
        self._completion_tokens = 0

    def watch(self, trajectories: Iterable[Trajectory]) -> Iterator[Trajectory]:
        """Pass the trajectories on, counted."""
        for trajectory in trajectories:
            self._problems += 1
            passing = [attempt.iteration for attempt in trajectory.attempts if attempt.verdict == "passed"]
            if passing:
                self._solved_at[passing[0]] += 1
            failed = any(attempt.verdict not in {"passed", "infra_error"} for attempt in trajectory.attempts)
            self.mixed += bool(passing) and failed
            for attempt in trajectory.attempts:
                self._verdicts[attempt.verdict] += 1
                self._prompt_tokens += attempt.prompt_tokens
                self._completion_tokens += attempt.completion_tokens
            yield trajectory

    def metrics(self) -> dict[str, float]:
        """The counts so far; at least one problem must have passed."""
        curve = (
            sum(self._solved_at[earlier] for earlier in range(iteration + 1)) / self._problems
            for iteration in range(self._last_iteration + 1)
        )
        return {
            "problems": self._problems,
            "solved": self._solved_at.total(),
            **{f"pass_rate/{iteration}": rate for iteration, rate in enumerate(curve)},
            "llm_calls": self._verdicts.total(),
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._completion_tokens,
            **{f"verdicts/{verdict}": self._verdicts[verdict] for verdict in get_args(Verdict)},
        }
