"""`iterpref synthesize`: a tree from seed code, its evolution, and problems whose solutions pass their own tests."""

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import TypeVar

from iterpref_core.config import SynthesisParams
from iterpref_core.errors import InputError
from iterpref_core.execution import Engine, Outcome, program_of
from iterpref_core.inference.backend import Backend, Sampling
from iterpref_core.inference.structured_answers import ask_parsed
from iterpref_core.problems.synthesis.answer_parsing import parse_problem
from iterpref_core.problems.synthesis.feature_tree import FeaturePath, FeatureTree
from iterpref_core.problems.synthesis.seed_code import fit_seeds, read_seeds
from iterpref_core.problems.synthesis.synthesis_prompts import (
    ask_for_problem,
    evolve,
    extract_features,
    plant,
    to_problem,
    used_features,
)
from iterpref_core.problems.synthesis.trivial_programs import hollow
from iterpref_core.progress import show_progress
from iterpref_core.records import Problem, Sample
from iterpref_core.screening.near_duplicates import NearDuplicates
from iterpref_core.storage.jsonl import write_jsonl

T = TypeVar("T")

REASONS = (
    "unreadable",
    "no_feature",
    "missing_package",
    "reference_fails",
    "idle_tests",
    "not_judged",
    "near_duplicate",
)
"""Why a problem that was asked for is not kept."""


def make_tree(
    source: Path,
    backend: Backend,
    params: SynthesisParams,
    reason_against: Callable[[str], str | None] | None,
    out: Path,
) -> tuple[FeatureTree, dict[str, float]]:
    """Extract a tree from seed code and evolve it; `out` has it after the extraction and after every round.

    An interrupted run is started again: its answers come from the store that the backend brings.

    Args:
        source: a folder with Python files, or JSONL of programs.
        backend: the model.
        params: how.
        reason_against: why a program must not reach the model; None for a model that may read all.
        out: JSON file for the tree.

    Returns:
        The tree, and `seeds`, `seeds/cut`, `seeds/dropped/<reason>`, `seeds/used`, `features/extracted`,
        `features/evolved`, `evolution/asked`, `evolution/unreadable` and `asked_again`.

    Raises:
        InputError: there is no seed code, or no feature was found in it.
    """
    sampling = _sampling(params)
    seeds, asked = Counter[str](), Counter[str]()
    with show_progress("features of seed code", sum(1 for _ in read_seeds(source))) as advance:
        read = _advancing(read_seeds(source), advance)
        programs = fit_seeds(read, params.seed_chars, reason_against, seeds)
        tree = plant(extract_features(programs, backend, sampling, params.seed, asked))
    if not tree.categories:
        raise InputError(f"{source}: no feature was found in {seeds['seeds']} programs; give other seed code or model")
    extracted = sum(1 for _ in tree.features())
    tree.save(out)
    grown: Counter[str] = Counter(features=0, asked=0, asked_again=0, unreadable=0)
    with show_progress("rounds of evolution", params.rounds) as advance:
        for _ in range(params.rounds):
            grown.update(evolve(tree, backend, params, sampling))
            tree.save(out)
            advance(1)
    found = {name: float(count) for name, count in seeds.items()}
    found |= {"seeds/dropped/unreadable": asked["unreadable"], "seeds/used": tree.seeds}
    found |= {"features/extracted": extracted, "features/evolved": grown["features"]}
    found |= {"evolution/asked": grown["asked"], "evolution/unreadable": grown["unreadable"]}
    return tree, found | {"asked_again": float(asked["asked_again"] + grown["asked_again"])}


def write_problems(
    tree: FeatureTree, backend: Backend, params: SynthesisParams, executor: Engine, count: int, out: Path
) -> dict[str, float]:
    """Ask for problems and write those that are sound.

    Args:
        tree: where features are drawn from.
        backend: the model.
        params: how.
        executor: runs every solution against its problem's tests.
        count: problems to ask for. Asking for more of them leaves the first ones as they are.
        out: JSONL of problems; its name without suffix begins their ids.

    Returns:
        `problems/asked`, `problems/kept` and, adding up to the former, `problems/dropped/<reason>`; then
        `reference_fails/<verdict>`, `missing_package/<name>` and `asked_again`.

    Raises:
        InputError: the tree is empty.
        ExecutionError: the engine failed.
    """
    if not tree.categories:
        raise InputError("the feature tree is empty; make one from seed code (--seed-code)")
    counts = Counter[str]({f"problems/dropped/{reason}": 0 for reason in REASONS})
    with show_progress("problems", count) as advance:
        numbers = _advancing(range(count), advance)
        asked = _ask(tree, backend, params, numbers, out.name.partition(".")[0], counts)
        kept = _keep(_judge(asked, executor), NearDuplicates(params.max_similarity), counts)
        counts["problems/kept"] = write_jsonl(out, kept)
    return {"problems/asked": float(count)} | {name: float(number) for name, number in counts.items()}


def _ask(
    tree: FeatureTree,
    backend: Backend,
    params: SynthesisParams,
    numbers: Iterable[int],
    name: str,
    counts: Counter[str],
) -> Iterator[tuple[Problem, str]]:
    """The problems that can be run, each with its instruction."""

    def draw(number: int) -> tuple[FeaturePath, ...]:
        random = Random(f"{params.seed}/problem/{number}")
        return tree.sample(params.breadth, params.feature_temperature, random)

    asked = Counter[str]()
    requests = (ask_for_problem(draw(number), params.seed + number) for number in numbers)
    for number, draft in enumerate(ask_parsed(backend, requests, _sampling(params), parse_problem, asked)):
        counts["asked_again"] = asked["asked_again"]
        if draft is None:
            counts["problems/dropped/unreadable"] += 1
            continue
        missing = [package for package in draft.packages if importlib.util.find_spec(package) is None]
        features = used_features(draft, draw(number))
        if missing:
            counts["problems/dropped/missing_package"] += 1
            counts.update(f"missing_package/{package}" for package in missing)
        elif not features:
            counts["problems/dropped/no_feature"] += 1
        else:
            yield to_problem(draft, features, f"{name}/{number}"), draft.instruction


def _judge(
    problems: Iterator[tuple[Problem, str]], executor: Engine
) -> Iterator[tuple[Problem, str, Outcome, Outcome]]:
    """Each problem with what becomes of its reference under its own tests, and of a program that does nothing."""

    def run(item: tuple[Problem, str]) -> tuple[Outcome, Outcome]:
        problem, _ = item
        assert problem.reference is not None
        codes = (problem.reference, hollow(problem.reference))
        samples = (Sample(task_id=problem.task_id, solution=code) for code in codes)
        reference, idle = (executor.run_one(program_of(problem, sample)) for sample in samples)
        return reference, idle

    for (problem, instruction), outcomes in executor.each(problems, run):
        yield problem, instruction, *outcomes


def _keep(
    judged: Iterator[tuple[Problem, str, Outcome, Outcome]], seen: NearDuplicates, counts: Counter[str]
) -> Iterator[Problem]:
    """The problems whose reference passes, whose tests ask for something and that are new; the others are counted."""
    for problem, instruction, reference, idle in judged:
        if "infra_error" in (reference.verdict, idle.verdict):
            counts["problems/dropped/not_judged"] += 1
        elif reference.verdict != "passed":
            counts["problems/dropped/reference_fails"] += 1
            counts[f"reference_fails/{reference.verdict}"] += 1
        elif idle.verdict == "passed":
            counts["problems/dropped/idle_tests"] += 1
        elif not seen.add(instruction):
            counts["problems/dropped/near_duplicate"] += 1
        else:
            yield problem


def _advancing(items: Iterable[T], advance: Callable[[int], None]) -> Iterator[T]:
    for item in items:
        advance(1)
        yield item


def _sampling(params: SynthesisParams) -> Sampling:
    return Sampling(params.temperature, params.max_new_tokens)
