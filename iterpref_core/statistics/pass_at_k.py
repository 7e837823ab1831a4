"""pass@k of verdicts, and its interval. Comparisons of two models are in `paired_tests`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from scipy.stats import binomtest  # type: ignore[import-untyped]

Verdicts = Mapping[str, Sequence[str]]
"""task_id → the verdict on each of its samples; `infra_error` says nothing about a program, and counts nowhere."""


@dataclass(frozen=True)
class Score:
    """pass@k over `n` tasks with 95% intervals, as shares of 1; pass@5 over the `pass_at_5_n` with five samples."""

    n: int
    pass_at_1: float
    ci95: tuple[float, float]
    pass_at_5: float | None = None
    pass_at_5_ci95: tuple[float, float] | None = None
    pass_at_5_n: int | None = None

    def to_json(self) -> dict[str, object]:
        """As it stands in results.json and summary.json."""
        return {name: value for name, value in vars(self).items() if value is not None}


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Unbiased estimate that one of `k` samples passes, from `n` of which `correct` passed (Chen et al. 2021, 2.1).

    >>> pass_at_k(n=4, correct=1, k=2)
    0.5
    """
    return 1.0 - comb(n - correct, k) / comb(n, k)


def mean_interval(
    values: Sequence[float], resamples: int = 10_000, random: np.random.Generator | None = None
) -> tuple[float, float]:
    """95% percentile bootstrap of a mean: tasks are drawn with replacement, always by the same seed."""
    random = random or np.random.default_rng(0)
    tasks = np.asarray(values)
    means = [tasks[random.integers(len(tasks), size=len(tasks))].mean() for _ in range(resamples)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def shares_passed(verdicts: Verdicts) -> dict[str, float]:
    """task_id → the share of its samples that passed; tasks without a judged one are left out."""
    return {task_id: sum(passed) / len(passed) for task_id, passed in _judged(verdicts).items()}


def score_tasks(verdicts: Verdicts, without: Iterable[str] = ()) -> Score | None:
    """pass@1, the mean over tasks of the share of samples that passed, `without` some; None where no task is left.

    The interval is Wilson's (1927, equation 3), sound at 0% and 100%; with several samples of a task a bootstrap's.
    """
    left_out = set(without)
    tasks = [passed for task_id, passed in _judged(verdicts).items() if task_id not in left_out]
    if not tasks:
        return None
    shares = [pass_at_k(len(passed), sum(passed), 1) for passed in tasks]
    if all(len(passed) == 1 for passed in tasks):
        wilson = binomtest(sum(map(sum, tasks)), len(tasks)).proportion_ci(method="wilson")
        ci95 = float(wilson.low), float(wilson.high)
    else:
        ci95 = mean_interval(shares)
    at_1 = len(tasks), sum(shares) / len(tasks), ci95
    of_five = [pass_at_k(len(passed), sum(passed), 5) for passed in tasks if len(passed) >= 5]
    return Score(*at_1, sum(of_five) / len(of_five), mean_interval(of_five), len(of_five)) if of_five else Score(*at_1)


def _judged(verdicts: Verdicts) -> dict[str, list[bool]]:
    counted = {task_id: [v for v in outcomes if v != "infra_error"] for task_id, outcomes in verdicts.items()}
    return {task_id: [v == "passed" for v in verdicts] for task_id, verdicts in counted.items() if verdicts}
