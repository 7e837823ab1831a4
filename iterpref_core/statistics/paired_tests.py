"""Paired tests of two models on the same tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

ROUNDING = 1e-12
"""Differences of shares below this are none."""


@dataclass(frozen=True)
class PairedComparison:
    """A model against another on the same tasks.

    Attributes:
        n: tasks.
        gained: tasks that only the model solves; with several samples of a task, that it solves more often.
        lost: tasks that only the other one solves, or solves more often.
        difference: pass@1 of the model minus that of the other, a share of 1.
        ci95: bootstrap interval of the difference.
        p_value: exact McNemar test of "both are equally good"; with several samples of a task its sign-flip test.
        p_worse: the same test, one-sided: small where the model is worse.
    """

    n: int
    gained: int
    lost: int
    difference: float
    ci95: tuple[float, float]
    p_value: float
    p_worse: float


def mcnemar_p(gained: int, lost: int) -> float:
    """Two-sided exact McNemar test: are the tasks that only one of two models solves split like coin tosses?

    Exact rather than the chi-squared approximation, which is off for the small counts of close models (McNemar 1947).

    >>> mcnemar_p(gained=5, lost=0)
    0.0625
    """
    tosses = gained + lost
    tail = sum(comb(tosses, k) for k in range(min(gained, lost) + 1))
    return float(min(1.0, 2 * tail / 2**tosses))


def mcnemar_p_worse(gained: int, lost: int) -> float:
    """One-sided exact McNemar test: how likely coin tosses lose at least as many tasks as were lost.

    >>> mcnemar_p_worse(gained=0, lost=5), mcnemar_p_worse(gained=5, lost=0)
    (0.03125, 1.0)
    """
    tosses = gained + lost
    return float(sum(comb(tosses, k) for k in range(lost, tosses + 1)) / 2**tosses)


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
    p_values = mcnemar_p(gained, lost), mcnemar_p_worse(gained, lost)
    return PairedComparison(n, gained, lost, difference, (float(low), float(high)), *p_values)


def compare_shares(
    ours: Mapping[str, float], theirs: Mapping[str, float], resamples: int, seed: int
) -> PairedComparison | None:
    """Compare two models on the tasks that both were judged on; None where there is none.

    With one sample of each task this is `compare_paired`. With several, the bootstrap resamples the tasks' differences
    and the test flips their signs at random (Fisher's randomization test), of which McNemar's is the special case
    for differences of one task.

    Args:
        ours: task_id → share of its samples that passed.
        theirs: the same of the other model.
        resamples: bootstrap resamples, and random flips.
        seed: of both.
    """
    tasks = sorted(ours.keys() & theirs.keys())
    if not tasks:
        return None
    effects = np.array([ours[task_id] - theirs[task_id] for task_id in tasks])
    n, gained, lost = len(tasks), int((effects > ROUNDING).sum()), int((effects < -ROUNDING).sum())
    if {*ours.values(), *theirs.values()} <= {0.0, 1.0}:
        return compare_paired(gained, lost, n, resamples, seed)
    random = np.random.default_rng(seed)
    means = np.array([effects[random.integers(n, size=n)].mean() for _ in range(resamples)])
    low, high = np.quantile(means, [0.025, 0.975])
    total = effects.sum()
    flipped = np.array([effects @ random.choice((-1.0, 1.0), size=n) for _ in range(resamples)])
    # The observed signs are one of the flips, so that no p-value is 0 (Phipson and Smyth 2010).
    p_value = (1 + (np.abs(flipped) >= abs(total) - ROUNDING).sum()) / (resamples + 1)
    p_worse = (1 + (flipped <= total + ROUNDING).sum()) / (resamples + 1)
    ends = float(low), float(high)
    return PairedComparison(n, gained, lost, float(total / n), ends, float(p_value), float(p_worse))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): below alpha, all are true but with probability alpha.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = highest
    return corrected
