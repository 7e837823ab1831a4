"""pass@k of verdicts, and its interval. Comparisons of two models are in `paired_tests`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

RESAMPLES = 10_000
"""Enough that the ends of an interval are off by less than a twentieth of its width; the seed is always the same."""
_AT_ONCE = 500

Verdicts = Mapping[str, Sequence[str]]
"""task_id → the verdict on each of its samples."""

Z_95 = 1.959963984540054
"""The 97.5% quantile of the standard normal distribution."""


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Unbiased estimate that one of `k` samples passes, from `n` samples of which `correct` passed.

    1 - C(n - c, k) / C(n, k), as a product so that no large binomial appears (Chen et al. 2021, section 2.1,
    figure 3).

    >>> pass_at_k(n=4, correct=1, k=2)
    0.5

    Raises:
        ValueError: not 0 <= correct <= n, or not 1 <= k <= n.
    """
    if not 0 <= correct <= n or not 1 <= k <= n:
        raise ValueError(f"pass@{k} from {correct} of {n}: need 0 <= correct <= n and 1 <= k <= n")
    all_fail = 1.0
    for i in range(k):
        all_fail *= max(n - correct - i, 0) / (n - i)
    return 1.0 - all_fail


def wilson_interval(successes: float, n: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson score interval of a share (Wilson 1927, equation 3): sound at 0% and 100%, where the normal one is not.

    `successes` may be a sum of shares (the pass@1 of tasks with several samples each): a mean of values in [0, 1]
    varies at most as much as a coin of the same mean, so the interval is then wider than needed, never narrower.

    >>> low, high = wilson_interval(0, 10)
    >>> low, round(high, 3)
    (0.0, 0.278)

    Raises:
        ValueError: n < 1, or successes outside [0, n].
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"interval of {successes} in {n}: need n >= 1 and 0 <= successes <= n")
    share = successes / n
    center = share + z * z / (2 * n)
    margin = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low, high = (center - margin) / scale, (center + margin) / scale
    # At the ends the formula gives 0 and 1 exactly; floating point misses them by 1e-17.
    return (0.0 if successes == 0 else low), (1.0 if successes == n else high)


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """95% percentile bootstrap of a mean: tasks are drawn with replacement, as another benchmark of their kind would.

    Of tasks with one sample each, a Wilson interval is better: of 0 or n that pass, a bootstrap knows nothing.

    >>> mean_interval([0.25] * 9)
    (0.25, 0.25)

    Args:
        values: one a task, such as its pass@5; at least one.
    """
    assert values
    every, generator = np.asarray(values), np.random.default_rng(0)
    means = [
        every[generator.integers(len(every), size=(_AT_ONCE, len(every)))].mean(axis=1)
        for _ in range(RESAMPLES // _AT_ONCE)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True)
class Score:
    """pass@k over `n` tasks with 95% intervals, as shares of 1; pass@5 over the `pass_at_5_n` with five samples."""

    n: int
    pass_at_1: float
    ci95: tuple[float, float]
    pass_at_5: float | None = None
    pass_at_5_ci95: tuple[float, float] | None = None
    pass_at_5_n: int = 0

    def to_json(self) -> dict[str, Any]:
        """As it stands in results.json and summary.json."""
        scores: dict[str, Any] = {"n": self.n, "pass_at_1": self.pass_at_1, "ci95": list(self.ci95)}
        if self.pass_at_5 is not None and self.pass_at_5_ci95 is not None:
            scores |= {
                "pass_at_5": self.pass_at_5,
                "pass_at_5_ci95": list(self.pass_at_5_ci95),
                "pass_at_5_n": self.pass_at_5_n,
            }
        return scores


def shares_passed(verdicts: Verdicts) -> dict[str, float]:
    """task_id → the share of its samples that passed; tasks without a sample that could be judged are left out.

    >>> shares_passed({"a": ["passed", "timeout"], "b": ["infra_error"]})
    {'a': 0.5}
    """
    return {task_id: sum(passed) / len(passed) for task_id, passed in _judged(verdicts).items()}


def score_tasks(verdicts: Verdicts, without: Iterable[str] = ()) -> Score | None:
    """pass@1 as the mean over tasks of the share of samples that passed; None where no task is left.

    With several samples the intervals are bootstrapped over tasks. Samples with the verdict `infra_error` say nothing
    about a program: they count nowhere.

    Args:
        verdicts: of every sample.
        without: tasks to leave out.
    """
    left_out = set(without)
    tasks = [passed for task_id, passed in _judged(verdicts).items() if task_id not in left_out]
    if not tasks:
        return None
    n = len(tasks)
    shares = [pass_at_k(len(passed), sum(passed), 1) for passed in tasks]
    several = any(len(passed) > 1 for passed in tasks)
    ci95 = mean_interval(shares) if several else wilson_interval(sum(shares), n)
    of_five = [pass_at_k(len(passed), sum(passed), 5) for passed in tasks if len(passed) >= 5]
    if not of_five:
        return Score(n, sum(shares) / n, ci95)
    return Score(n, sum(shares) / n, ci95, sum(of_five) / len(of_five), mean_interval(of_five), len(of_five))


def _judged(verdicts: Verdicts) -> dict[str, list[bool]]:
    """task_id → whether each sample passed, of those that could be judged; tasks without any are left out."""
    judged = {task_id: [v == "passed" for v in found if v != "infra_error"] for task_id, found in verdicts.items()}
    return {task_id: passed for task_id, passed in judged.items() if passed}
