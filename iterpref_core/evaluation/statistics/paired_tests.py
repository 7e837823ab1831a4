"""Paired tests of two models on the same tasks."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from iterpref_core.evaluation.statistics.comparison import Comparison

RESAMPLES = 2000
"""The number of bootstrap resamples, and of random sign flips."""
SEED = 19
"""The seed of both."""
_ROUNDING = 1e-12
"""The largest difference of two shares that counts as none."""


def compare_shares(ours: Mapping[str, float], theirs: Mapping[str, float]) -> Comparison | None:
    """Compare two models on the tasks that both were judged on.

    With several samples of a task, the test flips the signs of the tasks' differences at random (Fisher's
    randomization test), of which McNemar's is the special case for differences of one task.

    Args:
        ours: task_id → share of this model's samples that passed.
        theirs: the same for the other model.

    Returns:
        The comparison, or None if the models share no task.

    >>> found = compare_shares(dict.fromkeys("abcde", 1.0), dict.fromkeys("abcde", 0.0))
    >>> found.p_value, found.p_worse
    (0.0625, 1.0)
    """
    tasks = sorted(ours.keys() & theirs.keys())
    if not tasks:
        return None
    random = np.random.default_rng(SEED)
    n = len(tasks)
    effects = np.array([ours[task_id] - theirs[task_id] for task_id in tasks])
    tasks_gained = [task_id for task_id, effect in zip(tasks, effects, strict=True) if effect > _ROUNDING]
    tasks_lost = [task_id for task_id, effect in zip(tasks, effects, strict=True) if effect < -_ROUNDING]
    gained, lost = len(tasks_gained), len(tasks_lost)
    both = sum(1 for task_id in {*tasks} - {*tasks_gained, *tasks_lost} if ours[task_id] > 0)

    low, high = _bootstrap(effects, random)
    one_sample_each = {*ours.values(), *theirs.values()} <= {0.0, 1.0}
    if one_sample_each:
        p_value, p_worse = _mcnemar(gained, lost)
    else:
        p_value, p_worse = _flip_signs(effects, random)
    if gained == lost == 0:
        # Resampling finds no difference in tasks that have none, and would claim [0, 0] of three tasks.
        high = largest_unseen_share(n)
        low = -high
    return Comparison(
        n=n,
        gained=gained,
        lost=lost,
        difference=float(effects.sum() / n),
        ci95=(low, high),
        p_value=p_value,
        p_worse=p_worse,
        tasks_gained=tuple(tasks_gained),
        tasks_lost=tuple(tasks_lost),
        both=both,
        neither=n - gained - lost - both,
    )


def _bootstrap(effects: np.ndarray, random: np.random.Generator) -> tuple[float, float]:
    """Return the 95% bootstrap interval of the mean of tasks' differences."""
    # Drawing tasks is drawing how often each difference occurs: of 5 times +1, 2 times -1 and 93 times 0, for example.
    values, counts = np.unique(effects, return_counts=True)
    n = len(effects)
    drawn = random.multinomial(n, counts / n, size=RESAMPLES)
    low, high = np.quantile(drawn @ values / n, [0.025, 0.975])
    return float(low), float(high)


def _mcnemar(gained: int, lost: int) -> tuple[float, float]:
    """Return the p-values of McNemar's exact test: the two-sided one, and that of "this model is no worse"."""
    # The import takes half a second, which those who only read a summary do not wait for.
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    # Without a discordant task there is no toss to test: one toss that fell on neither side gives p = 1.
    tosses = max(1, gained + lost)
    p_value = binomtest(min(gained, lost), tosses).pvalue
    p_worse = binomtest(lost, tosses, alternative="greater").pvalue
    return float(p_value), float(p_worse)


def _flip_signs(effects: np.ndarray, random: np.random.Generator) -> tuple[float, float]:
    """Return the p-values of the sign-flip test: the two-sided one, and that of "this model is no worse"."""
    from scipy.stats import permutation_test

    # scipy refuses a single task. A second one without a difference changes no sum, and so no p-value.
    flipped = effects if len(effects) > 1 else np.append(effects, 0.0)
    test = partial(
        permutation_test,
        (flipped,),
        np.sum,
        permutation_type="samples",
        n_resamples=RESAMPLES,
    )
    p_value = test(rng=random, alternative="two-sided").pvalue
    p_worse = test(rng=random, alternative="less").pvalue
    return float(p_value), float(p_worse)


def largest_unseen_share(n: int) -> float:
    """Return the largest share of all tasks that may differ though none of `n` does, with 97.5% confidence.

    It is the upper end of Clopper's and Pearson's exact 95% interval (1934) for 0 of n. A difference of pass@1 in
    either direction is at most the share of the tasks that differ in this direction.

    >>> round(largest_unseen_share(3), 2), round(largest_unseen_share(164), 3)
    (0.71, 0.022)
    """
    return float(1 - 0.025 ** (1 / n))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979).

    The probability that any true hypothesis falls below alpha is then at most alpha.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    # [0.01, 0.03, 0.04] times [3, 2, 1] is [0.03, 0.06, 0.04]; none may be smaller than the one before.
    order = np.argsort(p_values, kind="stable")
    multipliers = np.arange(len(order), 0, -1)
    multiplied = np.sort(p_values) * multipliers
    corrected = np.maximum.accumulate(multiplied).clip(max=1.0)
    ranks = np.argsort(order)
    return [float(p) for p in corrected[ranks]]
