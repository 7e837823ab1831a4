"""Paired tests of two models on the same tasks."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from .comparison import SIGNIFICANT, Comparison, Kept
from .pass_at_k import Z95, share_interval

_FLIPS = 20_000
"""The number of random sign flips: a p-value of 0.05 has a standard error of 0.0015."""
_SEED = 19
"""Their seed."""
_BATCH = 250
"""The number of sign flips that are in memory at a time."""
_ROUNDING = 1e-12
"""The largest difference of two shares that counts as none."""


def compare_shares(
    ours: Mapping[str, float],
    theirs: Mapping[str, float],
) -> Comparison | None:
    """Compare two models on the tasks that both were judged on.

    With several samples of a task, the test flips the signs of the tasks' differences at random (Fisher's
    randomization test), whose special case for one sample is McNemar's test.

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
    n = len(tasks)
    passed, passed_before = (np.array([shares[task_id] for task_id in tasks]) for shares in (ours, theirs))
    # A task that both models solve has effect 0; solved by this one alone, 1.
    effects = passed - passed_before
    tasks_gained = [task_id for task_id, effect in zip(tasks, effects, strict=True) if effect > _ROUNDING]
    tasks_lost = [task_id for task_id, effect in zip(tasks, effects, strict=True) if effect < -_ROUNDING]
    gained, lost = len(tasks_gained), len(tasks_lost)

    # With one sample each, shares are 0 or 1, and McNemar is exact.
    one_sample_each = {*ours.values(), *theirs.values()} <= {0.0, 1.0}
    if one_sample_each:
        p_value, p_worse = _mcnemar(gained, lost)
    else:
        p_value, p_worse = _flip_signs(effects, np.random.default_rng(_SEED))
    return Comparison(
        n=n,
        gained=gained,
        lost=lost,
        difference=float(effects.sum() / n),
        ci95=difference_interval(effects, p_value),
        p_value=p_value,
        kept=kept_of(passed, passed_before),
        p_worse=p_worse,
        tasks_gained=tuple(tasks_gained),
        tasks_lost=tuple(tasks_lost),
    )


def kept_of(passed: np.ndarray, before: np.ndarray) -> Kept | None:
    """Return the share of what was solved before that still is; None if nothing was.

    Args:
        passed: each task's share of passed samples.
        before: the same of the model to compare with.

    >>> round(kept_of(np.array([1, 1, 0, 1]), np.array([1, 1, 1, 0])).share, 3)
    0.667
    """
    solved = float(before.sum())
    if not solved:
        return None
    still = np.minimum(passed, before)
    return Kept(solved=solved, share=float(still.sum() / solved), ci95=share_interval(still, before))


def difference_interval(effects: np.ndarray, p_value: float) -> tuple[float, float]:
    """Return the 95% interval of the mean of tasks' differences: Tango's score interval (1998, equation 8).

    At a difference of 0 Tango's score is McNemar's statistic. Where the test and the score do not agree that there is a
    difference, the interval ends at 0: so it leaves 0 out if and only if p < 0.05. With several samples a task counts
    as more than one, by the ratio of spreads (Kish's design effect), as in `pass_at_k.share_interval`.

    Args:
        effects: one difference for each task, from -1 to 1.
        p_value: the two-sided p-value of the test of no difference.

    >>> [round(end, 4) for end in difference_interval(np.array([1] * 47 + [-1] * 30 + [0] * 923), 0.068)]
    [-0.0002, 0.0348]
    """
    # The import takes half a second, which those who only read a summary do not wait for.
    from scipy.optimize import brentq  # type: ignore[import-untyped]

    # Of 47 tasks gained and 30 lost the sizes add up to 77, and the effects to 17.
    with_two = with_two_opposite(effects)
    scale = (np.abs(with_two).mean() - with_two.mean() ** 2) / with_two.var()
    n = len(effects) * scale
    gained = effects[effects > 0].sum() * scale
    lost = -effects[effects < 0].sum() * scale

    def deviation(difference: float) -> float:
        """Return the standard deviation of gained minus lost tasks, if this were the true difference."""
        # The constrained maximum-likelihood estimate of the lost share solves a x² + b x + c = 0.
        a = 2 * n
        b = (a - gained + lost) * difference - gained - lost
        c = -lost * difference * (1 - difference)
        share_lost = (np.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
        return float(np.sqrt(max(n * (2 * share_lost + difference * (1 - difference)), 0.0)))

    # The score at a difference of 0: for single samples McNemar's z.
    at_zero = abs(gained - lost) / deviation(0.0) if gained != lost else 0.0
    z = min(Z95, at_zero * (1 - 1e-9)) if p_value < SIGNIFICANT else max(Z95, at_zero)
    mean = float(effects.mean())

    def end(outermost: float) -> float:
        """Return the end of the interval between the mean and this largest or smallest difference."""

        def beyond(difference: float) -> float:
            return float(abs(gained - lost - n * difference) - z * deviation(difference))

        # At the mean itself the deviation may be 0: all tasks gained.
        inner = mean + (outermost - mean) * 1e-9
        if beyond(outermost) <= 0 or beyond(inner) >= 0:
            return outermost
        return float(brentq(beyond, inner, outermost))

    low, high = end(-1.0), end(1.0)
    # Rounding must not decide whether 0 is inside.
    return (min(low, 0.0), max(high, 0.0)) if p_value >= SIGNIFICANT else (low, high)


def with_two_opposite(effects: np.ndarray) -> np.ndarray:
    """Return effects with one more gained and one more lost task, so that equal effects also have a spread.

    Both are as large as the largest effect: among effects of 0.1, two of 1 would be most of the spread.

    >>> with_two_opposite(np.array([0.1, -0.2]))
    array([ 0.1, -0.2,  0.2, -0.2])
    """
    largest = float(np.abs(effects).max()) or 1.0
    return np.append(effects, [largest, -largest])


def _mcnemar(gained: int, lost: int) -> tuple[float, float]:
    """Return the p-values of McNemar's exact test: two-sided, and one-sided for "this model is not worse"."""
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    # Without a discordant task no toss is left to test: one toss on neither side gives p = 1.
    tosses = max(1, gained + lost)
    p_value = binomtest(min(gained, lost), tosses).pvalue
    p_worse = binomtest(lost, tosses, alternative="greater").pvalue
    return float(p_value), float(p_worse)


def _flip_signs(
    effects: np.ndarray,
    random: np.random.Generator,
) -> tuple[float, float]:
    """Return the p-values of the sign-flip test: two-sided, and one-sided for "this model is not worse"."""
    from scipy.stats import permutation_test

    # scipy refuses a single task. A second one without a difference changes no sum, and so no p-value.
    flipped = effects if len(effects) > 1 else np.append(effects, 0.0)
    test = partial(
        permutation_test,
        (flipped,),
        _sum,
        permutation_type="samples",
        n_resamples=_FLIPS,
        batch=_BATCH,
    )
    p_value = test(rng=random, alternative="two-sided").pvalue
    p_worse = test(rng=random, alternative="less").pvalue
    return float(p_value), float(p_worse)


def _sum(effects: np.ndarray, axis: int) -> np.ndarray:
    """Return sums of effects in which ties are equal: 0.1 + 0.2 - 0.3 is not 0 before rounding."""
    return np.asarray(effects.sum(axis=axis).round(9))


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
