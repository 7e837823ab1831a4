"""Rows of scores over seeds: the interval and the test are of the difference that stands next to them."""

import numpy as np
import pytest
from scipy import stats

from iterpref_core.evaluation.report.comparisons import compare_results
from iterpref_core.evaluation.statistics.pass_at_k import score_tasks, share_interval
from iterpref_core.evaluation.statistics.seed_comparison import compare_seeds, score_seeds
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
    assert (none.difference, none.p_value, none.effect) == (0, None, 0), "two seeds tell little of a third"
    assert -0.1 < none.ci95[0] < 0 < none.ci95[1] < 0.1
    assert wide.ci95 == (-1, 1)


def test_the_half_widths_over_problems_and_over_seeds_add_up_by_their_squares():
    seeds = [training([share] * 60 + [0.0] * 40) for share in (0.5, 0.6, 0.9)]
    start = training([0.4] * 60 + [0.2] * 40)
    effects = np.array([0.6 + 0.2 / 3 - 0.4] * 60 + [-0.2] * 40)
    over_problems = np.append(effects, [effects.max(), -effects.max()]).std() / 10
    of_seeds = np.array([0.3, 0.36, 0.54])
    rest = np.array([[share] * 60 + [0.0] * 40 for share in (0.5, 0.6, 0.9)])
    rest = rest - of_seeds[:, None] - rest.mean(axis=0) + rest.mean()
    over_seeds = np.sqrt((of_seeds.var(ddof=1) - (rest**2).sum() / (2 * 99 * 100)) / 3)
    found = compare_seeds(seeds, [start])

    def half(p):
        return np.hypot(over_problems * stats.t.isf(p / 2, 99), over_seeds * stats.t.isf(p / 2, 2))

    assert found.ci95 == pytest.approx((0.08 - half(0.05), 0.08 + half(0.05)))
    assert half(found.p_value) == pytest.approx(found.difference) == pytest.approx(0.08)


def test_a_row_of_seeds_has_a_mean_and_an_interval_for_every_k():
    seeds = [training([share] * 60 + [0.0] * 40) for share in (0.5, 0.6, 0.9)]
    seeds = [Measured(**seed.to_json() | score_tasks(seed.verdicts, (2,)).to_json()) for seed in seeds]
    score = score_seeds(seeds)
    low, high = share_interval([2 / 3] * 60 + [0.0] * 40)
    assert (score.n, score.pass_at_1) == (100, pytest.approx(0.4))
    assert score.ci95[0] < low < high < score.ci95[1]
    (mean, (low, high), n) = score.of_other_k[2]
    assert n == 100
    assert mean == pytest.approx(np.mean([seed.of_other_k[2].score for seed in seeds]))
    assert low < mean < high
    same = score_seeds([seeds[0]] * 3).of_other_k[2].ci95
    assert same == pytest.approx(seeds[0].of_other_k[2].ci95), "seeds that do not differ add nothing"


def test_over_seeds_a_problem_is_kept_as_often_as_the_seeds_solve_it():
    start = training([1.0] * 50 + [0.0] * 50)
    seeds = [training([1.0] * kept + [0.0] * (50 - kept) + [1.0] * 50) for kept in (40, 30)]
    assert compare_seeds(seeds, [start]).kept.share == pytest.approx(0.7)
