"""The feature tree is as rich as promised, and every leaf of it makes a program that runs."""

from random import Random

import pytest

from iterpref_core.problems.composition import Combination, compose_problem, write_reference
from iterpref_core.problems.features import KINDS, Feature, Kind, total_combinations


def test_the_tree_has_enough_combinations_over_three_kinds_of_input() -> None:
    assert len(KINDS) >= 3
    assert total_combinations() >= 20_000


def _with_leaf(kind: Kind, branch: str, leaf: Feature) -> Combination:
    """A combination with this leaf; its reduce step keeps every element and their order, so that nothing is hidden."""
    leaves = {name: getattr(kind, name)[0] for name in ("positions", "predicates", "maps")}
    leaves["reduces"] = next(leaf for leaf in kind.reduces if leaf.name in ("list", "pairs"))
    leaves[branch] = leaf
    return Combination(kind, leaves["positions"], leaves["predicates"], (leaves["maps"],), leaves["reduces"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("branch", ["positions", "predicates", "maps", "reduces"])
def test_every_leaf_runs_on_edge_cases_and_can_be_told_from_its_siblings(kind: Kind, branch: str) -> None:
    random = Random(0)
    arguments = [*kind.edge_cases, *(kind.draw(random) for _ in range(200))]
    behaviors = {}
    for leaf in getattr(kind, branch):
        namespace: dict[str, object] = {}
        exec(write_reference(_with_leaf(kind, branch, leaf)), namespace)
        behaviors[leaf.name] = repr([namespace["solve"](argument) for argument in arguments])  # type: ignore[operator]
    assert len(set(behaviors.values())) == len(behaviors), "two leaves behave alike: one of them is a false error"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_leaves_have_their_own_names_and_at_least_two_wordings(kind: Kind) -> None:
    for branch in (kind.positions, kind.predicates, kind.maps, kind.reduces):
        assert len({leaf.name for leaf in branch}) == len(branch)
        phrases = [phrase for leaf in branch for phrase in leaf.phrases]
        assert len(set(phrases)) == len(phrases), "one phrase would mean two things"
        assert all(len(leaf.phrases) >= 2 for leaf in branch)


def test_a_two_step_problem_has_one_line_more() -> None:
    kind = KINDS[0]
    combination = Combination(kind, kind.positions[0], kind.predicates[0], kind.maps[:2], kind.reduces[0])
    assert len(write_reference(combination).splitlines()) == 6
    problem = compose_problem(combination, "t", "heldout", Random(0), visible=6, hidden=6)
    assert problem.features == ("numbers", "all", "even", "double+triple", "sum")
