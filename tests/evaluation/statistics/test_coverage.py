"""Simulations: how often an interval holds the score, or the difference, of all tasks that could be drawn."""

from itertools import cycle, product

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from iterpref_core.evaluation.statistics.paired_tests import difference_interval
from iterpref_core.evaluation.statistics.pass_at_k import pass_at_k, share_interval
from iterpref_core.evaluation.statistics.seed_comparison import SEEDS_FOR_P, compare_scores

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DRAWS = 1000
"""A coverage of 95% has a standard error of 0.7 points."""
POPULATIONS = {"even": (0.6, 0.6), "hard": (0.3, 1.5), "solved or not": (0.2, 0.2)}
"""The beta distributions of the shares of samples that pass."""
CASES = [
    (tasks, samples, population)
    for (tasks, samples), population in zip(product((20, 40, 164, 500), (1, 5, 20, 100)), cycle(POPULATIONS))
]


def covered(intervals, truth):
    return np.mean([low <= truth <= high for low, high in intervals])


@pytest.mark.parametrize(("tasks", "samples", "population"), CASES)
def test_the_interval_of_a_score_holds_it_for_every_k(tasks, samples, population):
    random = np.random.default_rng(tasks + samples)
    shares = random.beta(*POPULATIONS[population], size=(DRAWS, tasks))
    passed = random.binomial(samples, shares)
    every = random.beta(*POPULATIONS[population], size=1_000_000)
    for k in (1, 5, 10):
        if k <= samples:
            scores = np.array([pass_at_k(samples, correct, k) for correct in range(samples + 1)])[passed]
            share = covered(map(share_interval, scores), 1 - ((1 - every) ** k).mean())
            assert 0.925 <= share <= (0.985 if tasks == 20 else 0.975), (k, share)


def other_model(random, shares):
    return expit(logit(shares.clip(1e-9, 1 - 1e-9)) + random.normal(0.4, 1, shares.shape))


@pytest.mark.parametrize(("tasks", "samples", "population"), CASES)
def test_the_interval_of_a_difference_holds_it(tasks, samples, population):
    random = np.random.default_rng(tasks + samples)
    every = random.beta(*POPULATIONS[population], size=1_000_000)
    truth = (other_model(random, every) - every).mean()
    signs = random.choice([-1.0, 1.0], size=(2000, tasks))
    intervals = []
    for _ in range(DRAWS):
        shares = random.beta(*POPULATIONS[population], size=tasks)
        ours, theirs = (random.binomial(samples, each) for each in (other_model(random, shares), shares))
        effects = (ours - theirs) / samples
        if samples == 1:
            gained, lost = (effects > 0).sum(), (effects < 0).sum()
            p_value = stats.binomtest(min(gained, lost), max(1, gained + lost)).pvalue
        else:  # ten times fewer flips than the product's
            p_value = np.mean(np.abs(signs @ effects) >= abs(effects.sum()) - 1e-9)
        intervals.append(difference_interval(effects, p_value))
    # The exact test of few tasks keeps its interval at 0.
    assert 0.93 <= covered(intervals, truth) <= (0.99 if tasks == 20 else 0.975)


@pytest.mark.parametrize("tasks", [40, 500])
@pytest.mark.parametrize("scatter", [0.0, 0.46])
@pytest.mark.parametrize("others", ["seeds", "one training"])
def test_of_equal_models_at_most_one_in_sixteen_is_called_better_from_three_seeds_on(tasks, scatter, others):
    """The standard deviation of a seed's score is 0 and 6 points. With two seeds against one training 9% are."""
    random = np.random.default_rng(tasks)
    called = 0
    for _ in range(DRAWS):
        level = logit(random.beta(0.6, 0.6, tasks).clip(1e-6, 1 - 1e-6))
        sides = []
        for seeds, spread in ((SEEDS_FOR_P, scatter), (SEEDS_FOR_P, scatter) if others == "seeds" else (1, 0.0)):
            shifted = level + random.normal(0, spread, (seeds, 1)) + random.normal(0, 0.7, (seeds, tasks))
            sides.append((random.random((seeds, tasks)) < expit(shifted)).astype(float))
        called += compare_scores(*sides).effect != 0
    assert called / DRAWS <= 0.0625
