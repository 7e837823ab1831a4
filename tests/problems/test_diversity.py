"""Feature diversity; numbers worked out by hand or by enumeration."""

import math
from collections.abc import Iterable
from itertools import combinations
from random import Random

import pytest

from iterpref_core.problems.composition import compose_problem, draw_combinations
from iterpref_core.problems.diversity import (
    Diversity,
    effective_number,
    expected_distinct,
    features_of,
    measure_diversity,
)
from iterpref_core.problems.features import BRANCHES
from iterpref_core.records import Problem


def _problem(*features: str) -> Problem:
    return Problem(task_id="t", prompt="p", entry_point="f", tests=(), features=features)


def _problems(sets: Iterable[Iterable[str]]) -> list[Problem]:
    return [_problem(*features) for features in sets]


def test_features_are_counted_once_a_problem_and_by_category() -> None:
    problems = _problems(
        [["algorithm > a", "algorithm > a", "logging > x"], ["algorithm > a"], ["algorithm > b > c"], []]
    )
    assert measure_diversity(problems) == {
        "problems": 4,
        "problems/without_features": 1,
        "features": 3,
        "features/per_problem": 1.0,  # 4 in 4
        "features/effective": pytest.approx(math.exp(0.5 * math.log(2) + 2 * 0.25 * math.log(4))),
        "features/in/algorithm": 2,
        "features/in/logging": 1,
    }


def test_a_set_without_features_has_no_diversity() -> None:
    assert measure_diversity(_problems([[], []])) == {
        "problems": 2, "problems/without_features": 2,
        "features": 0, "features/per_problem": 0, "features/effective": 0,
    }  # fmt: skip
    assert measure_diversity([])["features"] == 0


def test_the_effective_number_of_equally_frequent_features_is_their_number() -> None:
    assert effective_number([7] * 12) == pytest.approx(12)
    assert 1 < effective_number([1000, 1]) < 1.1


def test_the_expectation_is_the_mean_over_all_draws() -> None:
    sets = [{"a", "b"}, {"a"}, {"a", "c"}, {"d"}, set(), {"d", "c", "a"}]
    counts = [sum(name in features for features in sets) for name in "abcd"]
    for drawn in range(1, len(sets) + 1):
        found = [len(set().union(*chosen)) for chosen in combinations(sets, drawn)]
        assert expected_distinct(counts, len(sets), drawn) == pytest.approx(sum(found) / len(found))


def test_sets_of_different_size_are_compared_by_1000_problems() -> None:
    def draw(count: int, kinds: int) -> dict[str, float]:
        random = Random(0)
        return measure_diversity(_problems([f"algorithm > {random.randrange(kinds)}"] for _ in range(count)))

    rich, large = draw(1000, kinds=2000), draw(20_000, kinds=700)
    assert rich["features/per_1000"] == rich["features"] > large["features/per_1000"]
    assert "features/per_1000" not in draw(999, kinds=10)
    # 700 equally likely features, 1,000 draws: 700 (1 - (1 - 1/700) ** 1000)
    assert large["features/per_1000"] == pytest.approx(532.5, rel=0.01)


def test_the_offline_problems_have_the_branches_of_their_tree_as_categories() -> None:
    diversity = Diversity()
    for number, combination in zip(range(60), draw_combinations(Random(0), 0.5), strict=False):
        problem = compose_problem(combination, str(number), "codeflow", Random(0), visible=6, hidden=6)
        found = features_of(problem)
        assert {category for category, _ in found} == set(BRANCHES)
        assert len([1 for category, _ in found if category == "map"]) == len(combination.maps)
        diversity.add(problem)
    metrics = diversity.metrics()
    assert metrics["features/in/kind"] == 3
    assert metrics["features"] == sum(metrics[f"features/in/{branch}"] for branch in BRANCHES)


def test_features_without_a_category_are_others() -> None:
    assert features_of(_problem("recursion")) == {("other", "recursion")}
