"""Count the verdicts of a CodeFlow run, and the problems solved by each iteration; tell what its answers cost."""

from collections import Counter, defaultdict
from collections.abc import Collection
from itertools import accumulate
from typing import Any, get_args

from iterpref_core.execution import Admission
from iterpref_core.models.inference.answer_store import Spent
from iterpref_core.models.inference.backend import QUIET_SHARE
from iterpref_core.models.inference.finish_reasons import describe_missing
from iterpref_core.models.inference.stored_model import StoredModel
from iterpref_core.programs.answers.extraction import lacks_program
from iterpref_core.records import UNDECIDED, CodeflowParams, CodeflowResult, Trajectory, Verdict


class OutcomeCounts:
    """The counts over the trajectories of a run with some parameters.

    Attributes:
        missing: the reasons why answers are missing.
    """

    def __init__(self, params: CodeflowParams) -> None:
        self._sampled = params.source == "sampling"
        self._last_iteration = params.sampling.samples - 1 if self._sampled else params.max_iterations
        self.missing: list[str] = []
        self._solved_at: Counter[int] = Counter()
        self._verdicts: defaultdict[int, Counter[str]] = defaultdict(Counter)
        # Fields of the result that are sums over trajectories or attempts.
        self._sums = Counter(problems=0, mixed=0, solved_but_fails_hidden=0, no_program=0)

    @property
    def solved(self) -> int:
        """Return the number of problems with a version that passes the visible tests."""
        return self._solved_at.total()

    def add(self, trajectory: Trajectory) -> None:
        """Count a trajectory."""
        passing = [attempt.iteration for attempt in trajectory.attempts if attempt.verdict == "passed"]
        # Only the first passing version counts.
        self._solved_at.update(passing[:1])
        failed = any(attempt.verdict not in UNDECIDED for attempt in trajectory.attempts)
        fails_hidden = any(attempt.fails_hidden for attempt in trajectory.attempts)
        mixed = bool(passing) and failed
        self._sums.update(problems=1, mixed=mixed, solved_but_fails_hidden=fails_hidden)
        self.missing += trajectory.missing or ()
        for attempt in trajectory.attempts:
            self._verdicts[attempt.iteration][attempt.verdict] += 1
            self._sums.update(no_program=attempt.verdict != "passed" and lacks_program(attempt.code))

    @property
    def prompts(self) -> int:
        """Return the number of prompts that were asked."""
        return self._totals().total() + len(self.missing)

    def advice(self) -> list[str]:
        """Return a sentence on missing answers, and one for each fault of more than `QUIET_SHARE` of the others."""
        totals = self._totals()
        answers = totals.total()
        cut = totals["truncated"]
        no_program = self._sums["no_program"]
        sentences = []
        if self.missing:
            sentences.append(f"{describe_missing(self.missing, self.prompts)}; the same command asks for them again")
        if cut > QUIET_SHARE * answers:
            sentences.append(f"{cut:,} of {answers:,} answers were cut: raise codeflow.max_new_tokens")
        if no_program > QUIET_SHARE * answers:
            sentences.append(
                f"{no_program:,} of {answers:,} answers hold no program: read some in trajectories.jsonl, "
                "and see codeflow.wording"
            )
        return sentences

    def result(self, admission: Admission, models: Collection[StoredModel]) -> CodeflowResult:
        """Return the counts so far; at least one trajectory must have been added.

        Args:
            admission: knows the problems with tests that run inside.
            models: the models that answered, each of them once.
        """
        # Problems solved in iterations 0, 1, … add up: 2 of 10, then 3 more, are rates of 0.2 and 0.5.
        solved = accumulate(self._solved_at[iteration] for iteration in range(self._last_iteration + 1))
        refused = len(admission.refused)
        totals = self._totals()
        bill = sum((model.bill for model in models), Spent())
        sums: dict[str, Any] = dict(self._sums)
        if not self._sampled:
            del sums["mixed"]
        return CodeflowResult(
            **sums,
            solved=self.solved,
            missing=len(self.missing),
            pass_rate={iteration: count / sums["problems"] for iteration, count in enumerate(solved)},
            llm_calls=bill.calls,
            prompt_tokens=bill.prompt_tokens,
            completion_tokens=bill.completion_tokens,
            tokens_estimated=bill.estimated or None,
            verdicts={verdict: totals[verdict] for verdict in get_args(Verdict)},
            verdicts_by_iteration={n: dict(sorted(counts.items())) for n, counts in sorted(self._verdicts.items())},
            cost_usd=round(sum(model.cost_usd for model in models), 6),
            inside=(len(admission.inside) - refused) or None,
            refused={"inside": refused} if refused else None,
        )

    def _totals(self) -> Counter[str]:
        return sum(self._verdicts.values(), Counter[str]())
