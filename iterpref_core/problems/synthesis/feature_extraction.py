"""Feature extraction: a model names what each program of the seed code is made of."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from iterpref_core.inference.backend import Backend, Request, Sampling
from iterpref_core.inference.prompt_templates import fill
from iterpref_core.inference.structured_answers import ask_parsed
from iterpref_core.problems.synthesis.answer_parsing import parse_features
from iterpref_core.problems.synthesis.feature_tree import CATEGORIES, FeaturePath, FeatureTree

PROMPTS = Path(__file__).with_name("prompts")


def extract_features(
    programs: Iterable[str], backend: Backend, sampling: Sampling, seed: int, counts: Counter[str]
) -> Iterator[tuple[FeaturePath, ...] | None]:
    """The features of each program, in order; None where the model's answers could not be read.

    Args:
        programs: any number; they are streamed.
        backend: the model.
        sampling: how it answers.
        seed: decides its random numbers.
        counts: grows by `asked`, `asked_again` and `unreadable`.
    """
    requests = (Request(extraction_prompt(program), seed) for program in programs)
    return ask_parsed(backend, requests, sampling, parse_features, counts)


def extraction_prompt(program: str) -> str:
    """What a model is asked about one program."""
    return fill(PROMPTS / "extract.txt", {"categories": ", ".join(CATEGORIES), "code": program})


def plant(found: Iterable[tuple[FeaturePath, ...] | None]) -> FeatureTree:
    """The tree of all programs' features."""
    tree = FeatureTree()
    for paths in found:
        if paths is not None:
            tree.observe(paths)
    return tree
