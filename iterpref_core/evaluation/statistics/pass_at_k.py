"""pass@k of verdicts, and its interval. Comparisons of two models are in `paired_tests`."""

from collections.abc import Iterable, Mapping, Sequence
from math import comb

import numpy as np

from iterpref_core.records.results import ScoreRecord

Verdicts = Mapping[str, Sequence[str]]
"""task_id → the verdict on each of its samples; `infra_error` says nothing about a program, and counts nowhere."""


DEFAULT_K = (1, 5)


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Unbiased estimate that one of `k` samples passes, from `n` of which `correct` passed (Chen et al. 2021, 2.1).

    >>> pass_at_k(n=4, correct=1, k=2)
    0.5
    """
    return 1.0 - comb(n - correct, k) / comb(n, k)


def mean_interval(
    values: Sequence[float],
    resamples: int = 10_000,
    random: np.random.Generator | None = None,
) -> tuple[float, float]:
    """Return the 95% percentile bootstrap interval of a mean; tasks are drawn with replacement, with a fixed seed."""
    random = random or np.random.default_rng(0)
    tasks = np.asarray(values)
    means = []
    for _ in range(resamples):
        drawn = random.integers(len(tasks), size=len(tasks))
        means.append(tasks[drawn].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def shares_passed(verdicts: Verdicts) -> dict[str, float]:
    """Return, by task_id, the share of samples that passed; tasks without a judged sample are left out."""
    shares = {}
    for task_id, passed in _with_verdict(verdicts).items():
        shares[task_id] = sum(passed) / len(passed)
    return shares


def score_tasks(
    verdicts: Verdicts,
    without: Iterable[str] = (),
    k: Iterable[int] = DEFAULT_K,
) -> ScoreRecord | None:
    """Return pass@1, the mean over tasks of the share of samples that passed; None where no task is left.

    The interval is Wilson's (1927, equation 3), sound at 0% and 100%; with several samples of a task a bootstrap's.

    Args:
        verdicts: of each task's samples.
        without: tasks to leave out.
        k: the values of k; for each above 1 pass@k is added, over the tasks with that many judged samples.
    """
    left_out = set(without)
    tasks = [passed for task_id, passed in _with_verdict(verdicts).items() if task_id not in left_out]
    if not tasks:
        return None
    shares = _scores(tasks, 1)
    one_sample_each = all(len(passed) == 1 for passed in tasks)
    if one_sample_each:
        # The import takes half a second, which those who only read a summary do not wait for.
        from scipy.stats import binomtest  # type: ignore[import-untyped]

        solved = sum(passed[0] for passed in tasks)
        wilson = binomtest(solved, len(tasks)).proportion_ci(method="wilson")
        ci95 = float(wilson.low), float(wilson.high)
    else:
        ci95 = mean_interval(shares)
    fields = {
        "n": len(tasks),
        "pass_at_1": sum(shares) / len(shares),
        "ci95": ci95,
    }
    for number in sorted(set(k) - {1}):
        scores = _scores(tasks, number)
        if scores:
            fields[f"pass_at_{number}"] = sum(scores) / len(scores)
            fields[f"pass_at_{number}_ci95"] = mean_interval(scores)
            fields[f"pass_at_{number}_n"] = len(scores)
    return ScoreRecord.model_validate(fields)


def _scores(tasks: Iterable[Sequence[bool]], k: int) -> list[float]:
    """Return pass@k of each task with at least k judged samples; a task is given by which of its samples passed."""
    scores = []
    for passed in tasks:
        if len(passed) >= k:
            scores.append(pass_at_k(len(passed), sum(passed), k))
    return scores


def _with_verdict(verdicts: Verdicts) -> dict[str, list[bool]]:
    """Return, for each task with a judged sample, which of its judged samples passed."""
    judged = {}
    for task_id, outcomes in verdicts.items():
        passed = [verdict == "passed" for verdict in outcomes if verdict != "infra_error"]
        if passed:
            judged[task_id] = passed
    return judged
