"""Rows of scores over seeds, compared on the same problems."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np

from iterpref_core.records import Record
from iterpref_core.statistics.paired_tests import ROUNDING, holm


class TrialScore(Record):
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
        p_holm: the same, corrected for the number of rows that are compared (Holm 1979).
    """

    label: str
    n: int
    scores: tuple[float, ...]
    pass_at_1: float
    spread: float | None
    difference: float | None
    ci95: tuple[float, float] | None
    p_value: float | None
    p_holm: float | None = None


class Spread(NamedTuple):
    """What a bootstrap says of a difference: its 95% percentile interval, and the two-sided p-value of none at all."""

    ci95: tuple[float, float]
    p_value: float


def compare_rows(
    scores: Mapping[str, Sequence[TrialScore]], *, against: str, resamples: int, seed: int
) -> list[ComparisonRow]:
    """Summarize each row, and compare it to one of them.

    Args:
        scores: label → one score a seed, all on the same problems.
        against: the label to compare to.
        resamples: of the bootstrap.
        seed: of the resampling.
    """
    rows = []
    for label, own in scores.items():
        compared = label != against
        values = tuple(score.pass_at_1 for score in own)
        found = bootstrap_difference(own, scores[against], resamples, seed) if compared else None
        rows.append(
            ComparisonRow(
                label=label,
                n=own[0].n,
                scores=values,
                pass_at_1=mean(values),
                spread=stdev(values) if len(values) > 1 else None,
                difference=mean(values) - mean(score.pass_at_1 for score in scores[against]) if compared else None,
                ci95=found.ci95 if found else None,
                p_value=found.p_value if found else None,
            )
        )
    corrected = iter(holm([row.p_value for row in rows if row.p_value is not None]))
    return [row if row.p_value is None else row.model_copy(update={"p_holm": next(corrected)}) for row in rows]


def bootstrap_difference(own: Sequence[TrialScore], other: Sequence[TrialScore], resamples: int, seed: int) -> Spread:
    """Resample the difference of mean pass@1, over problems and over seeds.

    Problems are drawn once for both sides (they are paired), seeds for each side on its own: the interval is of what
    another draw of problems and of trainings would show. The p-value is twice the share of resamples on the rarer side
    of 0 (Efron and Tibshirani 1993, section 15.4), so that it is below 0.05 where the interval leaves 0 out; an exact
    test of the problems alone, such as McNemar's, would know nothing of the seeds.
    """
    tasks = sorted({task for score in (*own, *other) for task in score.passed})
    place = {task: number for number, task in enumerate(tasks)}
    n = own[0].n
    solved = [np.zeros((len(side), len(tasks))) for side in (own, other)]
    for matrix, side in zip(solved, (own, other), strict=True):
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
    sides = np.asarray(differences) <= ROUNDING, np.asarray(differences) >= -ROUNDING
    # What was observed is one of the resamples, so that no p-value is 0 (Phipson and Smyth 2010).
    p_value = 2 * (1 + min(side.sum() for side in sides)) / (resamples + 1)
    return Spread((float(low), float(high)), float(min(1.0, p_value)))
