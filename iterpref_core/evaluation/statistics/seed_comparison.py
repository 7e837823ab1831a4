"""Compare models on the same problems, over the seeds that each was trained with."""

from collections.abc import Sequence

import numpy as np

from iterpref_core.records import Measured

from .comparison import ScoreDifference
from .paired_tests import RESAMPLES, SEED, compare_shares, kept_of
from .pass_at_k import shares_passed


def compare_seeds(left: Sequence[Measured], right: Sequence[Measured]) -> ScoreDifference | None:
    """Return the difference of two models' mean pass@1; None if they share no problem.

    One training of each is compared problem by problem (`compare_shares`).

    Several are resampled over problems and over seeds. Problems are drawn once for both sides (they are paired), and
    seeds for each side on its own. So the interval covers another draw of problems and of trainings. The p-value is
    twice the share of resamples on the rarer side of 0 (Efron and Tibshirani 1993, section 15.4), so that it is below
    0.05 where the interval leaves 0 out. An exact test of the problems alone would not know of the seeds. What is kept
    counts a problem by its mean share over the seeds, and its interval is over problems.
    """
    if len(left) == len(right) == 1:
        return compare_shares(shares_passed(left[0].verdicts), shares_passed(right[0].verdicts))
    ours, theirs = passed = shared_shares(left, right)
    n = ours.shape[1]
    if not n:
        return None
    means, means_before = resample_means(passed)
    differences = means - means_before
    low, high = np.quantile(differences, [0.025, 0.975])
    rarer = min(np.mean(differences <= 0), np.mean(differences >= 0))
    return ScoreDifference(
        n=n,
        difference=float(ours.mean() - theirs.mean()),
        ci95=(low, high),
        p_value=min(1.0, 2 * float(rarer)),
        kept=kept_of(ours.mean(axis=0), theirs.mean(axis=0)),
    )


def shared_shares(*sides: Sequence[Measured]) -> list[np.ndarray]:
    """Return of each side the share of samples that passed, on the problems of all: (seeds, problems)."""
    trainings = [[shares_passed(score.verdicts) for score in side] for side in sides]
    tasks = sorted(set.intersection(*(set(shares) for side in trainings for shares in side)))
    return [np.array([[shares[task] for task in tasks] for shares in side]) for side in trainings]


def resample_means(sides: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return each side's mean pass@1 in each resample of problems and seeds: (resamples,).

    Args:
        sides: as `shared_shares` returns them; there is a problem.
    """
    random = np.random.default_rng(SEED)
    n = sides[0].shape[1]
    # [2, 0, 1, …]: how often a resample has each problem.
    drawn = random.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    means = []
    for passed in sides:
        of_seeds = drawn @ passed.T / n
        # Draw seeds anew for each resample and side.
        seeds = random.integers(len(passed), size=of_seeds.shape)
        means.append(np.take_along_axis(of_seeds, seeds, axis=1).mean(axis=1))
    return means
