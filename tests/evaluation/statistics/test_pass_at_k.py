"""Estimators against their definitions."""

from itertools import combinations

import numpy as np
import pytest

from iterpref_core.evaluation.statistics.pass_at_k import (
    pass_at_k,
    score_tasks,
    share_interval,
    shares_passed,
)


@pytest.mark.parametrize(
    ("n", "correct", "k"), [(n, c, k) for n in range(1, 7) for c in range(n + 1) for k in range(1, n + 1)]
)
def test_pass_at_k_is_the_share_of_k_subsets_with_a_passing_sample(n, correct, k):
    subsets = list(combinations([True] * correct + [False] * (n - correct), k))
    assert pass_at_k(n, correct, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 10), (10, 10), (350, 1000), (1, 1)])
def test_the_interval_s_bounds_are_where_the_score_test_rejects(successes, n):
    score = score_tasks({str(task): ["passed" if task < successes else "timeout"] for task in range(n)})
    low, high = score.ci95
    share = successes / n
    assert 0 <= low <= share <= high <= 1
    for bound in (low, high):
        if 0 < bound < 1:
            assert abs(share - bound) / np.sqrt(bound * (1 - bound) / n) == pytest.approx(1.959963984540054)


def test_a_task_without_a_judged_sample_does_not_count_and_pass_at_5_is_over_those_with_five():
    unjudged = {"d": ["infra_error"]}
    assert score_tasks(unjudged) is None
    verdicts = {"a": ["passed"] * 2 + ["timeout"] * 4, "b": ["exception"] * 5, "c": ["passed"] + ["infra_error"] * 4}
    score = score_tasks(verdicts | unjudged)
    assert (score.n, score.to_json()["pass_at_5_n"]) == (3, 2)
    assert score.beyond["pass_at_5"] == pytest.approx(0.5)
    fields = score_tasks(verdicts, k=(1, 2, 6, 7)).to_json()
    assert fields["pass_at_2"] == pytest.approx((1 - 6 / 15) / 2)
    assert (fields["pass_at_2_n"], fields["pass_at_6_n"], fields["pass_at_6"]) == (2, 1, 1.0)
    assert not {"pass_at_5", "pass_at_7", "pass_at_7_ci95"} & fields.keys()
    assert fields["pass_at_2_ci95"] == pytest.approx(share_interval([0, 9 / 15])), "over the two tasks with two samples"
    assert fields["pass_at_6_ci95"] == pytest.approx(share_interval([1]))
    assert shares_passed(verdicts) == {"a": pytest.approx(1 / 3), "b": 0.0, "c": 1.0}


@pytest.mark.parametrize("samples", [1, 5, 50])
@pytest.mark.parametrize("verdict", ["passed", "timeout"])
def test_samples_that_all_end_alike_are_no_proof(samples, verdict):
    """How often others of a task's samples would end otherwise is not known: they say as much as one."""
    score = score_tasks({str(task): [verdict] * samples for task in range(10)})
    assert score.ci95 == pytest.approx((0.722, 1) if verdict == "passed" else (0, 0.278), abs=0.001)
    lone = score_tasks({"only": ["passed", "timeout"]})
    assert lone.ci95 == pytest.approx((0.076, 0.924), abs=0.001)
