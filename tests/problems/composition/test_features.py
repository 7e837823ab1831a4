"""The feature tree is as rich as promised, and every leaf of it makes a program that runs."""

from random import Random

import pytest

from iterpref_core.problems.composition.compose import Combination, write_reference
from iterpref_core.problems.composition.features import KINDS


def _with_leaf(kind, branch, leaf):
    """A combination with this leaf; its reduce step keeps every element and their order, so that nothing is hidden."""
    leaves = {name: getattr(kind, name)[0] for name in ("positions", "predicates", "maps")}
    leaves["reduces"] = next(leaf for leaf in kind.reduces if leaf.name in ("list", "pairs"))
    leaves[branch] = leaf
    return Combination(kind, leaves["positions"], leaves["predicates"], (leaves["maps"],), leaves["reduces"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("branch", ["positions", "predicates", "maps", "reduces"])
def test_every_leaf_runs_on_edge_cases_and_can_be_told_from_its_siblings(kind, branch):
    random = Random(0)
    arguments = [*kind.edge_cases, *(kind.draw(random) for _ in range(200))]
    behaviors = {}
    for leaf in getattr(kind, branch):
        namespace = {}
        exec(write_reference(_with_leaf(kind, branch, leaf)), namespace)
        behaviors[leaf.name] = repr([namespace["solve"](argument) for argument in arguments])
    assert len(set(behaviors.values())) == len(behaviors), "two leaves behave alike: one of them is a false error"
