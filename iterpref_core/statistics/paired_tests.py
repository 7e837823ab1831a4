"""Paired tests of two models on the same tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import binomtest, permutation_test  # type: ignore[import-untyped]

from iterpref_core.statistics.pass_at_k import mean_interval

ROUNDING = 1e-12
"""Differences of shares below this are none."""


@dataclass(frozen=True)
class PairedComparison:
    """A model against another on the same `n` tasks: those it alone solves (or more often), those it alone fails.

    `difference` is of pass@1, a share of 1. `p_value` is of the exact McNemar test (1947) of "both are equally good",
    `p_worse` of its one-sided form, small where the model is worse; with several samples a task, of sign-flip tests.
    """

    n: int
    gained: int
    lost: int
    difference: float
    ci95: tuple[float, float]
    p_value: float
    p_worse: float


def compare_shares(
    ours: Mapping[str, float], theirs: Mapping[str, float], resamples: int, seed: int
) -> PairedComparison | None:
    """Compare two models on the tasks that both were judged on; None where there is none.

    With one sample of each task, resampling tasks is drawing the numbers gained, lost and alike from a multinomial.
    With several, the test flips the signs of the tasks' differences at random (Fisher's randomization test), of which
    McNemar's is the special case for differences of one task.

    `ours` and `theirs` are task_id → share of its samples that passed; `resamples` of the bootstrap, and random flips.

    >>> found = compare_shares(dict.fromkeys("abcde", 1.0), dict.fromkeys("abcde", 0.0), resamples=9, seed=0)
    >>> found.p_value, found.p_worse
    (0.0625, 1.0)
    """
    tasks = sorted(ours.keys() & theirs.keys())
    if not tasks:
        return None
    random = np.random.default_rng(seed)
    effects = np.array([ours[task_id] - theirs[task_id] for task_id in tasks])
    n, gained, lost = len(tasks), int((effects > ROUNDING).sum()), int((effects < -ROUNDING).sum())
    if {*ours.values(), *theirs.values()} <= {0.0, 1.0}:
        counts = random.multinomial(n, np.array([gained, lost, n - gained - lost]) / n, size=resamples)
        low, high = np.quantile((counts[:, 0] - counts[:, 1]) / n, [0.025, 0.975])
        tosses = max(1, gained + lost)  # of no toss, one that fell on neither side: p = 1
        p_value = binomtest(min(gained, lost), tosses).pvalue
        p_worse = binomtest(lost, tosses, alternative="greater").pvalue
    else:
        low, high = mean_interval(effects.tolist(), resamples, random)
        flips = partial(permutation_test, (effects,), np.sum, permutation_type="samples", n_resamples=resamples)
        p_value, p_worse = (flips(rng=random, alternative=side).pvalue for side in ("two-sided", "less"))
    ends = (float(low), float(high))
    return PairedComparison(n, gained, lost, float(effects.sum() / n), ends, float(p_value), float(p_worse))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): below alpha, all are true but with probability alpha.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    ranks = np.argsort(np.argsort(p_values, kind="stable"))
    corrected = np.maximum.accumulate(np.sort(p_values) * np.arange(len(ranks), 0, -1)).clip(max=1.0)
    return [float(p) for p in corrected[ranks]]
