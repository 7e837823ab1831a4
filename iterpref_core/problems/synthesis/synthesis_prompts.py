"""Synthesis prompts: for the features of seed code, a larger feature tree, and a problem of drawn features."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

from iterpref_core.config import SynthesisParams
from iterpref_core.inference.backend import Backend, Request, Sampling
from iterpref_core.inference.prompts import fill
from iterpref_core.inference.structured_answers import ask_parsed
from iterpref_core.problems.synthesis.answer_parsing import MAX_DEPTH, TEST_FILE, Draft, parse_features
from iterpref_core.problems.synthesis.feature_tree import CATEGORIES, SEPARATOR, FeaturePath, FeatureTree, show
from iterpref_core.records import Problem, ScriptTest


def ask_for_problem(features: Sequence[FeaturePath], seed: int) -> Request:
    """The request for a problem that uses some of these features."""
    offered = "\n".join(f"{number}. {SEPARATOR.join(path)}" for number, path in enumerate(features, 1))
    return Request(fill(PROMPTS / "problem.txt", {"features": offered}), seed)


def used_features(draft: Draft, offered: Sequence[FeaturePath]) -> tuple[str, ...]:
    """Those of the offered features that a draft says it uses; numbers that were not offered are passed over."""
    return tuple(SEPARATOR.join(offered[number - 1]) for number in draft.used if 1 <= number <= len(offered))


def to_problem(draft: Draft, features: tuple[str, ...], task_id: str) -> Problem:
    """The problem of a draft.

    What a model is to write is one file, the first. Other files of the solution are given: the prompt shows them and
    the test brings them along, so that a program which was written for this problem cannot replace them.
    """
    main, *others = draft.files
    module = main.removesuffix(".py")
    given = {name: draft.files[name] for name in others}
    test = ScriptTest(module=module, files={**given, TEST_FILE: draft.test}, run=TEST_FILE, packages=draft.packages)
    return Problem(
        task_id=task_id,
        prompt=_task(draft.instruction, main, given),
        entry_point=module,
        tests=(test,),
        reference=draft.files[main],
        source="synthesized",
        features=features,
    )


def _task(instruction: str, main: str, given: dict[str, str]) -> str:
    task = fill(PROMPTS / "task.txt", {"instruction": instruction, "file": main})
    files = [fill(PROMPTS / "given_file.txt", {"file": name, "code": code}) for name, code in given.items()]
    return "\n\n".join([task, *files])


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
