"""Comparisons of two models on the same tasks."""

from dataclasses import dataclass
from math import comb

import numpy as np


@dataclass(frozen=True)
class PairedComparison:
    """A model against another on the same tasks.

    Attributes:
        n: tasks.
        gained: tasks that only the model solves.
        lost: tasks that only the other one solves.
        difference: pass@1 of the model minus that of the other, a share of 1.
        ci95: bootstrap interval of the difference.
        p_value: exact McNemar test of "both are equally good".
    """

    n: int
    gained: int
    lost: int
    difference: float
    ci95: tuple[float, float]
    p_value: float


def mcnemar_p(gained: int, lost: int) -> float:
    """Two-sided exact McNemar test: are the tasks that only one of two models solves split like coin tosses?

    Exact rather than the chi-squared approximation, which is off for the small counts of close models (McNemar 1947).

    >>> mcnemar_p(gained=5, lost=0)
    0.0625
    """
    tosses = gained + lost
    tail = sum(comb(tosses, k) for k in range(min(gained, lost) + 1))
    return float(min(1.0, 2 * tail / 2**tosses))


def compare_paired(gained: int, lost: int, n: int, resamples: int, seed: int) -> PairedComparison:
    """Compare two models on `n` tasks, by the tasks that only one of them solves.

    The interval is the percentile bootstrap over tasks. Resampling tasks with replacement and counting the three
    kinds of task (gained, lost, the same) is drawing those counts from a multinomial, which is what runs here.

    Args:
        gained: tasks that only the first model solves.
        lost: tasks that only the second one solves.
        n: all tasks.
        resamples: bootstrap resamples.
        seed: of the resampling.
    """
    assert n > 0
    assert min(gained, lost, n - gained - lost) >= 0
    shares = np.array([gained, lost, n - gained - lost]) / n
    counts = np.random.default_rng(seed).multinomial(n, shares, size=resamples)
    low, high = np.quantile((counts[:, 0] - counts[:, 1]) / n, [0.025, 0.975])
    difference = (gained - lost) / n
    return PairedComparison(n, gained, lost, difference, (float(low), float(high)), mcnemar_p(gained, lost))
