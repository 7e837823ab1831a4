"""The paired comparison against its definition."""

import tracemalloc
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from iterpref_core.evaluation.statistics.paired_tests import compare_shares, holm
from iterpref_core.evaluation.statistics.pass_at_k import share_interval


def compare(gained, lost, n):
    """Compare two models with one sample of each task."""
    ours = {str(task): float(task < gained) for task in range(n)}
    theirs = {str(task): float(gained <= task < gained + lost) for task in range(n)}
    return compare_shares(ours, theirs)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (0, 5), (3, 3), (12, 4), (400, 90)])
def test_mcnemar_counts_coin_tosses_of_the_tasks_that_one_model_solves(gained, lost):
    tosses = gained + lost
    tail = sum(comb(tosses, k) for k in range(min(gained, lost) + 1))
    found = compare(gained, lost, tosses + 10)
    assert (found.n, found.gained, found.lost) == (tosses + 10, gained, lost)
    assert found.p_value == pytest.approx(min(1.0, 2 * tail / 2**tosses), rel=1e-9)
    assert found.p_worse == pytest.approx(sum(comb(tosses, k) for k in range(lost, tosses + 1)) / 2**tosses, rel=1e-9)


@pytest.mark.parametrize("n", [1, 5, 20])
def test_interval_and_test_agree_on_every_table(n):
    for gained in range(n + 1):
        for lost in range(n + 1 - gained):
            found = compare(gained, lost, n)
            low, high = found.ci95
            assert (found.p_value < 0.05) == (low > 0 or high < 0), (gained, lost, found)
            assert -1 <= low <= found.difference <= high <= 1


def test_interval_is_tangos_where_the_tests_agree():
    gained, lost, n = 60, 20, 300
    low, high = compare(gained, lost, n).ci95
    for end in (low, high):
        # The likelihood's share of lost tasks if the difference were `end`, found on a grid.
        shares = np.linspace(max(0, -end), (1 - end) / 2, 200_001)[1:-1]
        shares = shares[(shares > 0) & (shares + end > 0)]
        rest = 1 - 2 * shares - end
        likelihood = gained * np.log(shares + end) + lost * np.log(shares) + (n - gained - lost) * np.log(rest)
        share = shares[np.argmax(likelihood)]
        score = (gained - lost - n * end) / np.sqrt(n * (2 * share + end * (1 - end)))
        assert abs(score) == pytest.approx(1.95996, abs=1e-3)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40))
def test_interval_and_test_agree_with_several_samples_too(passed):
    ours, theirs = ({str(task): pair[side] / 5 for task, pair in enumerate(passed)} for side in (0, 1))
    found = compare_shares(ours, theirs)
    low, high = found.ci95
    assert (found.p_value < 0.05) == (low > 0 or high < 0)
    assert -1 <= low <= found.difference + 1e-12
    assert found.difference - 1e-12 <= high <= 1


@pytest.mark.parametrize(("tasks", "samples"), [(40, 10), (40, 100), (164, 20)])
def test_more_samples_shorten_the_interval_as_they_do_that_of_the_paired_t(tasks, samples):
    """Below 0.05 by p, a difference was in the undecided ones: two tasks of size 1 stood beside effects of 0.1."""
    random = np.random.default_rng(samples)
    solved = random.beta(0.6, 0.6, tasks)
    ours, theirs = (random.binomial(samples, share) / samples for share in (solved**0.8, solved))
    effects = ours - theirs
    found = compare_shares(*(dict(zip(map(str, range(tasks)), shares, strict=True)) for shares in (ours, theirs)))
    half = stats.t.ppf(0.975, tasks - 1) * stats.sem(effects)
    assert 0.97 * half < (found.ci95[1] - found.ci95[0]) / 2 < 1.25 * half
    flips = np.abs(random.choice([-1, 1], size=(100_000, tasks)) @ effects)
    assert found.p_value == pytest.approx(np.mean(flips >= abs(effects.sum()) - 1e-9), abs=0.005)


def test_models_are_compared_on_the_tasks_of_both():
    ours = {"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0, "only ours": 1.0}
    theirs = {"a": 0.0, "b": 1.0, "c": 1.0, "d": 0.0, "only theirs": 0.0}
    found = compare_shares(ours, theirs)
    assert (found.n, found.gained, found.lost, found.difference) == (4, 1, 1, 0.0)
    assert compare_shares(ours, {"x": 1.0}) is None


def test_several_samples_a_task_are_tested_by_flipping_signs():
    effects = {"a": 0.6, "b": 0.4, "c": 0.4, "d": 0.2, "e": -0.2, "f": 0.0}
    flips = [sum(s * e for s, e in zip(signs, effects.values(), strict=True)) for signs in product((-1, 1), repeat=6)]
    expected = np.mean(np.abs(flips) >= 1.4 - 1e-9), np.mean(np.array(flips) <= 1.4 + 1e-9)
    found = compare_shares({name: 0.2 + e for name, e in effects.items()}, dict.fromkeys(effects, 0.2))
    assert (found.n, found.gained, found.lost, found.difference) == (6, 4, 1, pytest.approx(1.4 / 6))
    assert (found.p_value, found.p_worse) == pytest.approx(expected, abs=0.01)


def test_what_is_kept_is_what_was_not_broken():
    before = {str(task): float(task < 50) for task in range(200)}
    found = compare_shares({task: float(3 <= int(task) < 90) for task in before}, before)
    assert (found.gained, found.lost) == (40, 3)
    assert (found.kept.solved, found.kept.share) == (50, pytest.approx(1 - 3 / 50))
    assert found.kept.ci95 == pytest.approx(share_interval([1.0] * 47 + [0.0] * 3)), "of the tasks solved before"
    assert compare_shares(before, before).kept.share == 1
    assert compare_shares(before, dict.fromkeys(before, 0.0)).kept is None


def test_of_several_samples_a_task_is_kept_as_often_as_both_solve_it():
    before = {"a": 0.8, "b": 0.7, "c": 0.0, "d": 0.5}
    kept = compare_shares({"a": 0.6, "b": 0.9, "c": 1.0, "d": 0.5}, before).kept
    assert (kept.solved, kept.share) == pytest.approx((2.0, (0.6 + 0.7 + 0.5) / 2.0))
    many, few = (
        compare_shares(dict.fromkeys(tasks, 0.4), dict.fromkeys(tasks, 0.8))
        for tasks in ("abcdefghijklmnopqrstuvwxyz", "abcdefgh")
    )
    assert few.kept.ci95[0] < many.kept.ci95[0] < 0.5 < many.kept.ci95[1] < few.kept.ci95[1]


def test_sums_of_tenths_are_ties():
    """Of eight flips of 0.1, 0.2 and −0.3 two give 0 and three less."""
    found = compare_shares({"a": 0.3, "b": 0.5, "c": 0.1}, {"a": 0.2, "b": 0.3, "c": 0.4})
    assert (found.p_value, found.p_worse) == (1.0, 5 / 8)


def test_one_task_of_several_samples_proves_nothing_and_many_take_little_memory():
    found = compare_shares({"a": 0.2}, {"a": 0.6})
    assert (found.p_value, found.p_worse, found.lost) == (1.0, 0.5, 1)
    ours, theirs = ({str(task): task * factor % 11 / 10 for task in range(100)} for factor in (3, 7))
    tracemalloc.start()  # scipy is loaded
    compare_shares(ours, theirs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6e6


def test_holm_multiplies_by_what_is_left_and_never_falls():
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
