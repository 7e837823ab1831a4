"""Rows over seeds, and their intervals."""

from random import Random

import pytest

from tasks.grids.comparison import TrialScore, bootstrap_difference, compare_rows


def _score(solved: set[int], n: int = 400) -> TrialScore:
    return TrialScore(pass_at_1=len(solved) / n, n=n, passed=tuple(f"t{number}" for number in sorted(solved)))


def test_means_spreads_and_differences() -> None:
    rows = compare_rows(
        {"base": [_score(set(range(40)))], "trained": [_score(set(range(80))), _score(set(range(120)))]},
        against="base", resamples=500, seed=1,
    )  # fmt: skip
    base, trained = rows
    assert (base.pass_at_1, base.spread, base.difference, base.ci95) == (0.1, None, None, None)
    assert trained.scores == (0.2, 0.3)
    assert trained.pass_at_1 == pytest.approx(0.25)
    assert trained.spread == pytest.approx(0.0707, abs=1e-4)
    assert trained.difference == pytest.approx(0.15)
    assert trained.ci95 is not None
    low, high = trained.ci95
    assert 0.05 < low < 0.11, "seeds differ by 10 points, which the interval must show"
    assert 0.19 < high < 0.25
    assert (base.p_value, trained.p_value) == (None, pytest.approx(2 / 501)), "no resample is at 0"


def test_the_interval_is_that_of_paired_problems() -> None:
    """Against the variance of a paired difference of one seed each: (b + c - (b - c)^2 / n) / n^2."""
    random = Random(3)
    one = {number for number in range(1000) if random.random() < 0.5}
    other = one - set(random.sample(sorted(one), 60)) | set(random.sample(sorted(set(range(1000)) - one), 20))
    (low, high), p_value = bootstrap_difference([_score(one, 1000)], [_score(other, 1000)], resamples=4000, seed=2)
    deviation = ((80 - 40**2 / 1000) / 1000**2) ** 0.5
    assert low == pytest.approx(0.04 - 1.96 * deviation, abs=0.002)
    assert high == pytest.approx(0.04 + 1.96 * deviation, abs=0.002)
    assert p_value < 0.001, "4.5 standard deviations"


def test_a_p_value_is_that_of_the_paired_problems_and_agrees_with_the_interval() -> None:
    """27 problems won and 14 lost: the normal approximation has p = 0.041, the exact test 0.060."""
    one, other = set(range(14, 41)), set(range(14))
    (low, _), p_value = bootstrap_difference([_score(one)], [_score(other)], resamples=4000, seed=5)
    assert p_value == pytest.approx(0.041, abs=0.015)
    assert (p_value < 0.05) == (low > 0)


def test_equal_rows_do_not_differ() -> None:
    same = [_score({1, 2, 3})]
    assert bootstrap_difference(same, same, resamples=50, seed=0) == ((0.0, 0.0), 1.0)
