"""Rows of scores over seeds, compared on the same problems."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

from iterpref_core.evaluation.statistics.paired_tests import RESAMPLES, SEED
from iterpref_core.records import Record

Matrix = NDArray[np.float64]


class PointScore(Record):
    """A score of one training: the share of `n` problems that are solved, and the names of the solved ones."""

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
        difference: mean pass@1 less that of the first row, a share of 1; None for the first row itself.
        ci95: 95% interval of the difference.
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


def compare_rows(scores: Mapping[str, Sequence[PointScore]]) -> list[ComparisonRow]:
    """Summarize each row, and compare it to the first one.

    Args:
        scores: label → one score a seed, all on the same problems.
    """
    rows: list[ComparisonRow] = []
    first = next(iter(scores.values()), ())
    for label, points in scores.items():
        values = tuple(score.pass_at_1 for score in points)
        row = ComparisonRow(
            label=label,
            n=points[0].n,
            scores=values,
            pass_at_1=mean(values),
            spread=stdev(values) if len(values) > 1 else None,
        )
        if rows:
            ci95, p_value = bootstrap_difference(points, first)
            difference = row.pass_at_1 - rows[0].pass_at_1
            row = row.model_copy(update={"difference": difference, "ci95": ci95, "p_value": p_value})
        rows.append(row)
    return rows


def bootstrap_difference(left: Sequence[PointScore], right: Sequence[PointScore]) -> tuple[tuple[float, float], float]:
    """Return the 95% interval of the difference of mean pass@1, and the p-value of no difference.

    Both are resampled over problems and over seeds. Problems are drawn once for both sides (they are paired), and seeds
    for each side on its own. So the interval covers another draw of problems and of trainings. The p-value is twice the
    share of resamples on the rarer side of 0 (Efron and Tibshirani 1993, section 15.4), so that it is below 0.05 where
    the interval leaves 0 out. An exact test of the problems alone, such as McNemar's, would not know of the seeds.
    """
    n = left[0].n
    tasks = list(dict.fromkeys(task for score in (*left, *right) for task in score.passed))
    solved_left = _solved(left, tasks)
    solved_right = _solved(right, tasks)
    random = np.random.default_rng(SEED)
    differences = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        # [3, 0, 3, …]: the problems that are drawn.
        drawn = random.integers(n, size=n)
        differences[number] = _draw_mean(solved_left, drawn, random) - _draw_mean(solved_right, drawn, random)
    low, high = np.quantile(differences, [0.025, 0.975])
    rarer = min(np.mean(differences <= 0), np.mean(differences >= 0))
    p_value = min(1.0, 2 * float(rarer))
    return (float(low), float(high)), p_value


def _solved(scores: Sequence[PointScore], tasks: Sequence[str]) -> Matrix:
    """Return 1 where a training solved a problem, else 0; shape (trainings, problems).

    Problems that nobody solved have no name here. They are the last columns, and drawn, too.
    """
    matrix = np.zeros((len(scores), scores[0].n))
    for row, score in zip(matrix, scores, strict=True):
        row[: len(tasks)] = np.isin(tasks, score.passed)
    return matrix


def _draw_mean(solved: Matrix, problems: NDArray[np.int64], random: np.random.Generator) -> float:
    """Return pass@1 on the problems that were drawn, over as many trainings as there are, drawn with replacement."""
    trainings = random.integers(len(solved), size=len(solved))
    return float(solved[trainings][:, problems].mean())
