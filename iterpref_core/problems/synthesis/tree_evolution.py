"""Tree evolution: a model extends drawn subtrees in depth and in breadth, to where seeds have not been."""

from collections import Counter
from collections.abc import Iterator
from random import Random

from iterpref_core.config import SynthesisParams
from iterpref_core.inference.backend import Backend, Request, Sampling
from iterpref_core.inference.prompt_templates import fill
from iterpref_core.inference.structured_answers import ask_parsed
from iterpref_core.problems.synthesis.answer_parsing import MAX_DEPTH, parse_features
from iterpref_core.problems.synthesis.feature_extraction import PROMPTS
from iterpref_core.problems.synthesis.feature_tree import CATEGORIES, FeatureTree, show


def evolve(tree: FeatureTree, backend: Backend, params: SynthesisParams, sampling: Sampling) -> Counter[str]:
    """Evolve the tree by one round, in place.

    All subtrees of a round are drawn from the tree as it was before, so that they can be asked about together.

    Returns:
        `asked`, `asked_again`, `unreadable`, and `features`: how many are new.
    """
    counts: Counter[str] = Counter()
    number = tree.rounds
    for paths in ask_parsed(backend, list(_requests(tree, params, number)), sampling, parse_features, counts):
        counts["features"] += tree.grow(paths or ())
    tree.rounds += 1
    return counts


def _requests(tree: FeatureTree, params: SynthesisParams, number: int) -> Iterator[Request]:
    for place in range(params.subtrees):
        random = Random(f"{params.seed}/evolve/{number}/{place}")
        subtree = tree.sample(params.breadth, params.feature_temperature, random)
        values = {"categories": ", ".join(CATEGORIES), "depth": str(MAX_DEPTH), "subtree": show(subtree)}
        # A subtree that is drawn again gets another answer.
        yield Request(fill(PROMPTS / "evolve.txt", values), params.seed + number * params.subtrees + place)
