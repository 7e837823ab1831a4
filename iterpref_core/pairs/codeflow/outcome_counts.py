"""Count the verdicts and tokens of a CodeFlow run, and the problems solved by each iteration."""

from collections import Counter
from typing import get_args

from iterpref_core.execution import Admission
from iterpref_core.models.inference.backend import QUIET_SHARE
from iterpref_core.models.inference.ends import describe_missing
from iterpref_core.programs.answers.extraction import lacks_program
from iterpref_core.records import UNDECIDED, Trajectory, Verdict
from iterpref_core.records.stage_results import CodeflowResult


class OutcomeCounts:
    """The counts over trajectories.

    Args:
        last_iteration: the number of the last iteration, or sample.
        sampled: attempts are samples, not refinements of the one before.
    """

    def __init__(self, last_iteration: int, *, sampled: bool) -> None:
        self._last_iteration = last_iteration
        self._sampled = sampled
        self._problems = 0
        self._mixed = 0
        self.missing: list[str] = []
        self._fails_hidden = 0
        self._no_program = 0
        self._solved_at: Counter[int] = Counter()
        self._verdicts: Counter[tuple[int, str]] = Counter()
        self._prompt_tokens = 0
        self._completion_tokens = 0

    @property
    def solved(self) -> int:
        """Return the number of problems with a version that passes the visible tests."""
        return self._solved_at.total()

    def add(self, trajectory: Trajectory) -> None:
        """Count a trajectory."""
        self._problems += 1
        passing = [attempt.iteration for attempt in trajectory.attempts if attempt.verdict == "passed"]
        # Only the first passing version counts.
        if passing:
            self._solved_at[passing[0]] += 1
        failed = any(attempt.verdict not in UNDECIDED for attempt in trajectory.attempts)
        self._mixed += bool(passing) and failed
        self.missing += trajectory.missing or ()
        self._fails_hidden += any(attempt.fails_hidden for attempt in trajectory.attempts)
        for attempt in trajectory.attempts:
            self._no_program += attempt.verdict != "passed" and lacks_program(attempt.code)
            self._verdicts[attempt.iteration, attempt.verdict] += 1
            self._prompt_tokens += attempt.prompt_tokens
            self._completion_tokens += attempt.completion_tokens

    @property
    def prompts(self) -> int:
        """Return the number of prompts that were asked."""
        return self._verdicts.total() + len(self.missing)

    def advice(self) -> list[str]:
        """Return a sentence on missing answers, and one for each fault of more than `QUIET_SHARE` of the others."""
        answers = self._verdicts.total()
        cut = self._by_verdict()["truncated"]
        sentences = []
        if self.missing:
            sentences.append(f"{describe_missing(self.missing, self.prompts)}; the same command asks for them again")
        if cut > QUIET_SHARE * answers:
            sentences.append(f"{cut:,} of {answers:,} answers were cut: raise codeflow.max_new_tokens")
        if self._no_program > QUIET_SHARE * answers:
            sentences.append(
                f"{self._no_program:,} of {answers:,} answers hold no program: read some in trajectories.jsonl, "
                "and see codeflow.wording"
            )
        return sentences

    def result(self, cost_usd: float, admission: Admission) -> CodeflowResult:
        """Return the counts so far; at least one trajectory must have been added.

        Args:
            cost_usd: the price of the answers.
            admission: knows the problems with tests that run inside.
        """
        # Problems solved in iterations 0, 1, … add up: 2 of 10, then 3 more, are rates of 0.2 and 0.5.
        pass_rate = {}
        solved = 0
        for iteration in range(self._last_iteration + 1):
            solved += self._solved_at[iteration]
            pass_rate[iteration] = solved / self._problems
        refused = len(admission.refused)
        totals = self._by_verdict()
        by_iteration: dict[int, dict[str, int]] = {}
        for (iteration, verdict), count in sorted(self._verdicts.items()):
            by_iteration.setdefault(iteration, {})[verdict] = count
        return CodeflowResult(
            problems=self._problems,
            solved=self.solved,
            solved_but_fails_hidden=self._fails_hidden,
            missing=len(self.missing),
            no_program=self._no_program,
            pass_rate=pass_rate,
            llm_calls=totals.total(),
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
            verdicts={verdict: totals[verdict] for verdict in get_args(Verdict)},
            verdicts_by_iteration=by_iteration,
            cost_usd=round(cost_usd, 6),
            mixed=self._mixed if self._sampled else None,
            inside=(len(admission.inside) - refused) or None,
            left_out={"inside": refused} if refused else None,
        )

    def _by_verdict(self) -> Counter[str]:
        totals: Counter[str] = Counter()
        for (_, verdict), count in self._verdicts.items():
            totals[verdict] += count
        return totals
