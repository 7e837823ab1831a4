"""The paired comparison against scipy's test and a bootstrap that resamples tasks one by one."""

import numpy as np
import pytest
from scipy.stats import binomtest

from iterpref_core.statistics import compare_paired, mcnemar_p


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (3, 3), (12, 4), (400, 90)])
def test_mcnemar_is_a_two_sided_binomial_test_on_the_discordant_tasks(gained: int, lost: int) -> None:
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar_p(gained, lost) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_p(lost, gained) == mcnemar_p(gained, lost)


def test_interval_is_that_of_resampling_tasks() -> None:
    gained, lost, n = 60, 20, 300
    effect = np.array([1] * gained + [-1] * lost + [0] * (n - gained - lost))
    tasks = np.random.default_rng(0).integers(n, size=(20_000, n))
    expected = np.quantile(effect[tasks].mean(axis=1), [0.025, 0.975])

    found = compare_paired(gained, lost, n, resamples=20_000, seed=1)

    assert found.difference == pytest.approx(40 / 300)
    assert found.ci95 == pytest.approx(tuple(expected), abs=0.004)


def test_same_seed_gives_the_same_interval() -> None:
    assert compare_paired(30, 10, 200, 500, seed=3) == compare_paired(30, 10, 200, 500, seed=3)


def test_equal_models_differ_by_nothing() -> None:
    found = compare_paired(gained=0, lost=0, n=10, resamples=100, seed=0)
    assert (found.difference, found.ci95, found.p_value) == (0.0, (0.0, 0.0), 1.0)
