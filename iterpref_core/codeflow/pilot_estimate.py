"""Pilot estimate: work on a sample of the problems, keep what it gave, and say what all of them will take."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from iterpref_core.codeflow.codeflow import CodeflowRun, complete
from iterpref_core.codeflow.problem_selection import pick, survey
from iterpref_core.codeflow.rollouts import RolloutStore
from iterpref_core.records import Trajectory

SHARE, LEAST = 0.01, 20
RESAMPLES = 2000
QUANTITIES = ("calls", "prompt_tokens", "completion_tokens", "dollars", "seconds")


@dataclass(frozen=True)
class PilotEstimate:
    """A quantity of the whole run, with a 95% interval."""

    expected: float
    ci95: tuple[float, float]


@dataclass(frozen=True)
class CodeflowEstimate:
    """What a run comes to, and what the sample has cost of it already.

    Attributes:
        problems: of the run.
        sampled: of these, how many were worked on.
        solved: of the sampled ones.
        expected: by quantity, of all problems together, the sample included.
        sample: the same quantities, of the sample alone.
    """

    problems: int
    sampled: int
    solved: int
    expected: dict[str, PilotEstimate]
    sample: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def estimate_codeflow(run: CodeflowRun) -> CodeflowEstimate:
    """Work on 1% of the problems, at least 20, chosen by hash, and say what all of them will take.

    Their trajectories and answers are kept: the run itself begins with them, and so does the next estimate.

    The intervals are percentile bootstraps over problems: they say how far a sample of this size can be off, not what
    happens when an endpoint becomes slower. `seconds` is of the fullest lane (`finished.Busy`), with the models as busy
    as `codeflow.concurrency` allows.

    Raises:
        IterPrefError: as `run_codeflow`.
    """
    found = survey(run.problems)
    key = run.key(found)
    chosen = pick(run.problems, min(found.count, max(LEAST, round(SHARE * found.count))))
    with RolloutStore(run.work_file(key)) as work:
        complete(run, key, work, len(chosen), set(chosen))
        done = [work[task_id] for task_id in chosen]
    rows = np.array([[*_quantities(one.trajectory, run), *one.busy.lanes] for one in done])
    shares = np.random.default_rng(0).multinomial(len(done), np.full(len(done), 1 / len(done)), size=RESAMPLES)
    totals = _with_seconds(found.count * (shares @ rows) / len(done))
    low, high = np.quantile(totals, [0.025, 0.975], axis=0)
    expected = _with_seconds(found.count * rows.mean(axis=0, keepdims=True))[0]
    sample = _with_seconds(rows.sum(axis=0, keepdims=True))[0]
    return CodeflowEstimate(
        problems=found.count,
        sampled=len(done),
        solved=sum(one.trajectory.solved for one in done),
        expected={
            name: PilotEstimate(float(expected[place]), (float(low[place]), float(high[place])))
            for place, name in enumerate(QUANTITIES)
        },
        sample={name: float(sample[place]) for place, name in enumerate(QUANTITIES)},
    )


def _quantities(trajectory: Trajectory, run: CodeflowRun) -> tuple[float, float, float, float]:
    attempts = trajectory.attempts
    return (
        len(attempts),
        sum(attempt.prompt_tokens for attempt in attempts),
        sum(attempt.completion_tokens for attempt in attempts),
        run.models.price(trajectory),
    )


def _with_seconds(sums: "np.ndarray[Any, np.dtype[np.float64]]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Rows of sums, the lanes in the last columns replaced by the fullest of them."""
    lanes = len(QUANTITIES) - 1
    return np.column_stack([sums[:, :lanes], sums[:, lanes:].max(axis=1)])
