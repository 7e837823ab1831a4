"""The paired comparison against scipy's test and a bootstrap that resamples tasks one by one."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest

from iterpref_core.statistics.paired_tests import compare_paired, compare_shares, holm, mcnemar_p, mcnemar_p_worse


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


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (0, 5), (3, 3), (4, 12)])
def test_one_sided_test_is_small_where_more_was_lost(gained: int, lost: int) -> None:
    expected = binomtest(lost, gained + lost, alternative="greater").pvalue if gained + lost else 1.0
    assert mcnemar_p_worse(gained, lost) == pytest.approx(expected, rel=1e-9)


def test_one_sample_a_task_is_compared_by_counts_and_several_by_shares() -> None:
    ours = {"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0, "only ours": 1.0}
    theirs = {"a": 0.0, "b": 1.0, "c": 1.0, "d": 0.0, "only theirs": 0.0}
    assert compare_shares(ours, theirs, 200, 0) == compare_paired(1, 1, 4, 200, 0)
    assert compare_shares(ours, {"x": 1.0}, 200, 0) is None


def test_several_samples_a_task_are_tested_by_flipping_signs() -> None:
    effects = {"a": 0.6, "b": 0.4, "c": 0.4, "d": 0.2, "e": -0.2, "f": 0.0}
    flips = [sum(s * e for s, e in zip(signs, effects.values(), strict=True)) for signs in product((-1, 1), repeat=6)]
    expected = np.mean(np.abs(flips) >= 1.4 - 1e-9), np.mean(np.array(flips) <= 1.4 + 1e-9)

    found = compare_shares({name: 0.2 + e for name, e in effects.items()}, dict.fromkeys(effects, 0.2), 20_000, 1)

    assert found is not None
    assert (found.n, found.gained, found.lost) == (6, 4, 1)
    assert found.difference == pytest.approx(1.4 / 6)
    assert (found.p_value, found.p_worse) == pytest.approx(expected, abs=0.01)
    assert found.ci95[0] < found.difference < found.ci95[1]


def test_holm_multiplies_by_what_is_left_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.5]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
