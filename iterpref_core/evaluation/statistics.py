"""Estimators of pass@k and their intervals. Comparisons of two models are in `iterpref_core.statistics`."""

from math import sqrt

Z_95 = 1.959963984540054
"""The 97.5% quantile of the standard normal distribution."""


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Unbiased estimate that one of `k` samples passes, from `n` samples of which `correct` passed.

    1 - C(n - c, k) / C(n, k), as a product so that no large binomial appears (Chen et al. 2021, section 2.1,
    figure 3).

    >>> pass_at_k(n=4, correct=1, k=2)
    0.5

    Raises:
        ValueError: not 0 <= correct <= n, or not 1 <= k <= n.
    """
    if not 0 <= correct <= n or not 1 <= k <= n:
        raise ValueError(f"pass@{k} from {correct} of {n}: need 0 <= correct <= n and 1 <= k <= n")
    all_fail = 1.0
    for i in range(k):
        all_fail *= max(n - correct - i, 0) / (n - i)
    return 1.0 - all_fail


def wilson_interval(successes: float, n: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson score interval of a share (Wilson 1927, equation 3): sound at 0% and 100%, where the normal one is not.

    `successes` may be a sum of shares (the pass@1 of tasks with several samples each): a mean of values in [0, 1]
    varies at most as much as a coin of the same mean, so the interval is then wider than needed, never narrower.

    >>> low, high = wilson_interval(0, 10)
    >>> low, round(high, 3)
    (0.0, 0.278)

    Raises:
        ValueError: n < 1, or successes outside [0, n].
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"interval of {successes} in {n}: need n >= 1 and 0 <= successes <= n")
    share = successes / n
    centre = share + z * z / (2 * n)
    margin = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low, high = (centre - margin) / scale, (centre + margin) / scale
    # At the ends the formula gives 0 and 1 exactly; floating point misses them by 1e-17.
    return (0.0 if successes == 0 else low), (1.0 if successes == n else high)
