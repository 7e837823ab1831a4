"""Rows of scores over seeds, compared on the same problems."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

import numpy as np

from iterpref_core.records import Record


class PointScore(Record):
    """What one training scored: the share of `n` problems that are solved, and the names of those."""

    pass_at_1: float
    n: int
    passed: tuple[str, ...]


class ComparisonRow(Record):
    """One row of a table.

    Attributes:
        label: its name.
        n: problems.
        scores: pass@1 of each seed.
        pass_at_1: their mean.
        spread: their standard deviation; None for one seed.
        difference: mean pass@1 less that of the row compared to, a share of 1; None for that row itself.
        ci95: interval of the difference.
        p_value: two-sided bootstrap test of "no difference", from the same resamples as the interval.
    """

    label: str
    n: int
    scores: tuple[float, ...]
    pass_at_1: float
    spread: float | None = None
    difference: float | None = None
    ci95: tuple[float, float] | None = None
    p_value: float | None = None


def compare_rows(scores: Mapping[str, Sequence[PointScore]], *, resamples: int, seed: int) -> list[ComparisonRow]:
    """Summarize each row, and compare it to the first one.

    Args:
        scores: label → one score a seed, all on the same problems.
        resamples: of the bootstrap.
        seed: of the resampling.
    """
    rows, first = [], next(iter(scores.values()), ())
    for label, points in scores.items():
        values = tuple(score.pass_at_1 for score in points)
        spread = stdev(values) if len(values) > 1 else None
        row = ComparisonRow(label=label, n=points[0].n, scores=values, pass_at_1=mean(values), spread=spread)
        if points is not first:
            ci95, p_value = bootstrap_difference(points, first, resamples, seed)
            difference = mean(values) - mean(score.pass_at_1 for score in first)
            row = row.model_copy(update={"difference": difference, "ci95": ci95, "p_value": p_value})
        rows.append(row)
    return rows


def bootstrap_difference(
    left: Sequence[PointScore], right: Sequence[PointScore], resamples: int, seed: int
) -> tuple[tuple[float, float], float]:
    """95% interval of the difference of mean pass@1, and the p-value of none, resampled over problems and over seeds.

    Problems are drawn once for both sides (they are paired), seeds for each side on its own: the interval is of what
    another draw of problems and of trainings would show. The p-value is twice the share of resamples on the rarer side
    of 0 (Efron and Tibshirani 1993, section 15.4), so that it is below 0.05 where the interval leaves 0 out; an exact
    test of the problems alone, such as McNemar's, would know nothing of the seeds.
    """
    tasks = sorted({task for score in (*left, *right) for task in score.passed})
    place = {task: number for number, task in enumerate(tasks)}
    n = left[0].n
    solved = [np.zeros((len(side), len(tasks))) for side in (left, right)]
    for matrix, side in zip(solved, (left, right), strict=True):
        for row, score in enumerate(side):
            matrix[row, [place[task] for task in score.passed]] = 1
    random = np.random.default_rng(seed)
    differences = []
    for _ in range(resamples):
        # Problems that nobody solved have no column: they are drawn too, and count for nothing.
        drawn = random.multinomial(n, np.append(np.full(len(tasks), 1 / n), 1 - len(tasks) / n))[:-1]
        means = [matrix[random.integers(len(matrix), size=len(matrix))].mean(axis=0) @ drawn / n for matrix in solved]
        differences.append(means[0] - means[1])
    low, high = np.quantile(differences, [0.025, 0.975])
    rarer = min(np.mean(np.array(differences) <= 0), np.mean(np.array(differences) >= 0))
    return (float(low), float(high)), min(1.0, 2 * float(rarer))
