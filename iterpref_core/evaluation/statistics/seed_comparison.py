"""Compare models on the same problems, over the seeds that each was trained with."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

import numpy as np

from iterpref_core.records import Measured, Record

from .comparison import Difference
from .paired_tests import RESAMPLES, SEED, compare_shares
from .pass_at_k import shares_passed


class ComparisonRow(Record):
    """One row of a table.

    Attributes:
        label: its name.
        n: problems.
        scores: pass@1 of each seed.
        pass_at_1: their mean.
        spread: their standard deviation; None for one seed.
        difference: mean pass@1 minus the mean of the first row, a share of 1; None for the first row itself, or if the
            two share no problem.
        ci95: 95% interval of the difference.
        p_value: two-sided test of "no difference".
    """

    label: str
    n: int
    scores: tuple[float, ...]
    pass_at_1: float
    spread: float | None = None
    difference: float | None = None
    ci95: tuple[float, float] | None = None
    p_value: float | None = None


def compare_rows(scores: Mapping[str, Sequence[Measured]]) -> list[ComparisonRow]:
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
        if rows and (found := compare_seeds(points, first)):
            row = row.model_copy(update=found.model_dump(include={"difference", "ci95", "p_value"}))
        rows.append(row)
    return rows


def compare_seeds(left: Sequence[Measured], right: Sequence[Measured]) -> Difference | None:
    """Return the difference of two models' mean pass@1; None if they share no problem.

    One training of each is compared problem by problem (`compare_shares`).

    Several are resampled over problems and over seeds. Problems are drawn once for both sides (they are paired), and
    seeds for each side on its own. So the interval covers another draw of problems and of trainings. The p-value is
    twice the share of resamples on the rarer side of 0 (Efron and Tibshirani 1993, section 15.4), so that it is below
    0.05 where the interval leaves 0 out. An exact test of the problems alone would not know of the seeds.
    """
    if len(left) == len(right) == 1:
        return compare_shares(shares_passed(left[0].verdicts), shares_passed(right[0].verdicts))
    n, means = resample_means(left, right)
    if not n:
        return None
    differences = means[0] - means[1]
    low, high = np.quantile(differences, [0.025, 0.975])
    rarer = min(np.mean(differences <= 0), np.mean(differences >= 0))
    difference = mean(score.pass_at_1 for score in left) - mean(score.pass_at_1 for score in right)
    return Difference(n=n, difference=difference, ci95=(low, high), p_value=min(1.0, 2 * float(rarer)))


def resample_means(*sides: Sequence[Measured]) -> tuple[int, list[Any]]:
    """Return the number of shared problems, and of each side the mean pass@1 of each resample: (resamples,).

    A resample draws problems and seeds. Without a shared problem there are none.
    """
    trainings = [[shares_passed(score.verdicts) for score in side] for side in sides]
    tasks = sorted(set.intersection(*(set(shares) for side in trainings for shares in side)))
    n = len(tasks)
    if not n:
        return 0, []
    random = np.random.default_rng(SEED)
    # [2, 0, 1, …]: how often a resample has each problem.
    drawn = random.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    means = []
    for side in trainings:
        passed = np.array([[shares[task] for task in tasks] for shares in side])
        of_seeds = drawn @ passed.T / n
        # Draw seeds anew for each resample and side.
        seeds = random.integers(len(side), size=of_seeds.shape)
        means.append(np.take_along_axis(of_seeds, seeds, axis=1).mean(axis=1))
    return n, means
