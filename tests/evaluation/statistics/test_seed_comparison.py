"""Rows of scores over seeds: the interval and the test are of the difference that stands next to them."""

import pytest

from iterpref_core.evaluation.report.comparisons import compare_results
from iterpref_core.evaluation.statistics.seed_comparison import compare_seeds
from iterpref_core.records import Measured
from tests.evaluation.report.conftest import benchmark


def training(shares):
    """A training whose tasks have these shares of ten passed samples."""
    verdicts = {
        f"t/{number:03}": ["passed"] * round(share * 10) + ["timeout"] * round((1 - share) * 10)
        for number, share in enumerate(shares)
    }
    own = {"verdicts": verdicts, "pass_at_1": sum(shares) / len(shares)}
    return Measured(**benchmark(len(shares), 0, "validation") | own)


def test_a_problem_counts_by_the_share_of_its_samples_that_passed():
    """Counted by any passed sample, the row that is 30 points worse would be 50 points better."""
    first, other = training([1.0] * 50 + [0.0] * 50), training([0.2] * 100)
    row = compare_seeds([other], [first])
    low, high = row.ci95
    assert row.difference == pytest.approx(-0.3)
    assert low < -0.3 < high < 0
    assert row.p_value < 0.05
    gate = compare_results("validation", {"other": other, "first": first})
    assert (row.p_value, row.ci95) == (gate.p_value, gate.ci95), "a sweep of one seed prints what the gate prints"


def test_seeds_that_scatter_widen_the_interval():
    steady = [training([share] * 100) for share in (0.5, 0.5)]
    scattered = [training([share] * 100) for share in (0.2, 0.8)]
    none, wide = (compare_seeds(seeds, steady) for seeds in (steady, scattered))
    assert (none.difference, none.ci95, none.p_value) == (0, (0, 0), 1)
    assert wide.ci95 == pytest.approx((-0.3, 0.3))


def test_over_seeds_a_problem_is_kept_as_often_as_the_seeds_solve_it():
    start = training([1.0] * 50 + [0.0] * 50)
    seeds = [training([1.0] * kept + [0.0] * (50 - kept) + [1.0] * 50) for kept in (40, 30)]
    assert compare_seeds(seeds, [start]).kept.share == pytest.approx(0.7)
