"""pass@k of verdicts, and its interval. Comparisons of two models are in `paired_tests`."""

from collections.abc import Iterable, Mapping, Sequence
from math import comb
from typing import Any

import numpy as np

from iterpref_core.records import ScoreRecord

Verdicts = Mapping[str, Sequence[str]]
"""task_id → the verdict on each of its samples; `infra_error` does not judge a program, and does not count."""


DEFAULT_K = (1, 5)


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Estimate without bias that one of `k` samples passes if `correct` of `n` passed (Chen et al. 2021, 2.1).

    >>> pass_at_k(n=4, correct=1, k=2)
    0.5
    """
    return 1.0 - comb(n - correct, k) / comb(n, k)


Z95 = 1.959963984540054
"""The standard normal distribution's quantile of 0.975."""


def share_interval(shares: Sequence[float] | np.ndarray, out_of: np.ndarray | None = None) -> tuple[float, float]:
    """Return Wilson's 95% interval (1927, equation 3) of a mean over tasks, with the effective number of tasks.

    Wilson's interval is for tasks that are solved or not: of a score p they spread by p (1 - p). Shares of several
    samples spread less, and inform as much as a larger number of solved-or-not tasks: their number times the ratio of
    both spreads (Kish's design effect, 1965). To both spreads an always solved and a never solved task are added.
    Without them 50 failed samples would have no spread, and a few passed ones too much.

    Args:
        shares: a number from 0 to 1 for each task, such as the share of its samples that passed.
        out_of: the part of 1 that each task counts, at least its share; by default 1. The interval is then of the
            ratio of both sums, whose spread is that of `shares` around the same ratio of each task's part.

    >>> [round(end, 3) for end in share_interval([0.0] * 10)]
    [0.0, 0.278]
    """
    tasks = np.asarray(shares, dtype=float)
    parts = np.ones_like(tasks) if out_of is None else out_of
    with_two, parts_with_two = np.append(tasks, [0.0, 1.0]), np.append(parts, [1.0, 1.0])
    score = with_two.sum() / parts_with_two.sum()
    spread = ((with_two - score * parts_with_two) ** 2).sum() / parts_with_two.sum()
    # Binary tasks of this score would spread by p (1 - p): their ratio scales n.
    n = parts.sum() * score * (1 - score) / spread
    p = tasks.sum() / parts.sum()
    # Wilson's center is pulled towards 1/2.
    center = p + Z95**2 / (2 * n)
    half = Z95 * np.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    scale = 1 + Z95**2 / n
    return max(0.0, float((center - half) / scale)), min(1.0, float((center + half) / scale))


def shares_passed(verdicts: Verdicts) -> dict[str, float]:
    """Return, by task_id, the share of samples that passed; tasks without a judged sample are left out."""
    shares = {}
    for task_id, passed in _with_verdict(verdicts).items():
        shares[task_id] = sum(passed) / len(passed)
    return shares


def score_tasks(
    verdicts: Verdicts,
    k: Iterable[int] = DEFAULT_K,
) -> ScoreRecord | None:
    """Return pass@1, the mean over tasks of the share of samples that passed; None where no task is left.

    Args:
        verdicts: of each task's samples.
        k: the values of k; for each above 1 pass@k is added, over the tasks with that many judged samples. The interval
            of each k is `share_interval` of its tasks' pass@k: another draw of tasks is what it covers.
    """
    shares = [*task_scores(verdicts, 1).values()]
    if not shares:
        return None
    fields: dict[str, Any] = {
        "n": len(shares),
        "pass_at_1": sum(shares) / len(shares),
        "ci95": share_interval(shares),
    }
    # Every further k has its own tasks: the tasks with at least k samples.
    for number in sorted(set(k) - {1}):
        if scores := [*task_scores(verdicts, number).values()]:
            fields[f"pass_at_{number}"] = sum(scores) / len(scores)
            fields[f"pass_at_{number}_ci95"] = share_interval(scores)
            fields[f"pass_at_{number}_n"] = len(scores)
    return ScoreRecord.model_validate(fields)


def task_scores(verdicts: Verdicts, k: int) -> dict[str, float]:
    """Return, by task_id, pass@k of the tasks with at least k judged samples."""
    scores = {}
    for task_id, passed in _with_verdict(verdicts).items():
        if len(passed) >= k:
            scores[task_id] = pass_at_k(len(passed), sum(passed), k)
    return scores


def _with_verdict(verdicts: Verdicts) -> dict[str, list[bool]]:
    """Return, for each task with a judged sample, which of its judged samples passed."""
    judged = {}
    for task_id, outcomes in verdicts.items():
        passed = [verdict == "passed" for verdict in outcomes if verdict != "infra_error"]
        if passed:
            judged[task_id] = passed
    return judged
