"""Let a model write problems by way of a feature tree that it finds in seed code and grows (`iterpref synthesize`)."""

import importlib.util
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random

from iterpref_core.execution import Engine, Outcome, run_right_program
from iterpref_core.models.inference.backend import Model, Request, Sampling
from iterpref_core.models.prompts.structured_answers import ask_parsed, read_object
from iterpref_core.models.prompts.templates import fill
from iterpref_core.records import InputError, Problem, ScriptTest, SynthesisParams, statement_digest
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.storage.progress import show_progress

from .answer_forms import MAX_DEPTH, MODULE, TEST_FILE, Draft, Features
from .feature_tree import CATEGORIES, SEPARATOR, FeaturePath, FeatureTree, show
from .seed_code import fit_seeds, read_seeds

PROMPTS = Path(__file__).with_name("prompts")
_CATEGORIES = ", ".join(CATEGORIES)

# The reasons why a requested problem is dropped.
REASONS = (
    "unreadable",
    "no_feature",
    "missing_package",
    "reference_fails",
    "not_judged",
    "repeated",
)
_SEED = 23
# Rounds of evolving the feature tree.
ROUNDS = 2
# The temperature of the model's answers.
_TEMPERATURE = 1.0
# Characters of each seed program that the model reads, at most.
SEED_CHARS = 12_000
# Features drawn on each level of the tree, at most: as in EpiCoder's script.
BREADTH = (5, 2, 1, 1)
# A feature's probability among its siblings is frequency^(1/this): as in EpiCoder's script.
FEATURE_TEMPERATURE = 10.0


def make_tree(
    source: Path,
    backend: Model,
    params: SynthesisParams,
    reason_against: Callable[[str], str | None] | None,
    out: Path,
) -> tuple[FeatureTree, dict[str, int]]:
    """Extract a tree from seed code and evolve it. The tree is saved after the extraction and after every round.

    An interrupted run is started again: its answers come from the backend's store.

    Args:
        source: a folder with Python files, or JSONL of programs.
        backend: the model.
        params: the parameters of synthesis.
        reason_against: returns why a program must not reach the model; None for a model that may read all.
        out: the JSON file of the tree.

    Returns:
        The tree, and `seeds`, `seeds/cut`, `seeds/dropped/<reason>`, `seeds/used`, `features/extracted`,
        `features/evolved`, `evolution/asked`, `evolution/unreadable` and `asked_again`.

    Raises:
        InputError: the seed code is missing, or has no features.
    """
    seeds = Counter[str]()
    calls = Counter[str]()
    tree = FeatureTree()
    with show_progress("features of seed code", None) as advance:
        programs = fit_seeds(read_seeds(source), SEED_CHARS, reason_against, seeds)
        requests = (
            Request(fill(PROMPTS / "extract.txt", {"categories": _CATEGORIES, "code": program}), _SEED)
            for program in programs
        )
        for paths in ask_parsed(backend, requests, _sampling(params), read_features, calls):
            advance()
            if paths is not None:
                tree.observe(paths)
    extracted = tree.size()
    if not extracted:
        raise InputError(f"{source}: no feature was found in {seeds['seeds']} programs; give more, or other seed code")
    tree.save(out)
    grown = Counter[str](features=0, asked=0, asked_again=0, unreadable=0)
    with show_progress("rounds of evolution", ROUNDS) as advance:
        for _ in range(ROUNDS):
            evolve(tree, backend, params, grown)
            tree.save(out)
            advance()
    counts = {
        **seeds,
        "seeds/dropped/unreadable": calls["unreadable"],
        "seeds/used": tree.seeds,
        "features/extracted": extracted,
        "features/evolved": grown["features"],
        "evolution/asked": grown["asked"],
        "evolution/unreadable": grown["unreadable"],
        "asked_again": calls["asked_again"] + grown["asked_again"],
    }
    return tree, counts


def evolve(
    tree: FeatureTree,
    backend: Model,
    params: SynthesisParams,
    counts: Counter[str],
) -> None:
    """Evolve the tree by one round, in place.

    All subtrees of a round are drawn from the tree of the round before, so that their requests can go out together.
    `counts` grows by `asked`, `asked_again`, `unreadable`, and by the new `features`.
    """
    requests = []
    for position in range(params.subtrees):
        random = Random(f"{_SEED}/evolve/{tree.rounds}/{position}")
        subtree = show(tree.sample(BREADTH, FEATURE_TEMPERATURE, random))
        values = {"categories": _CATEGORIES, "depth": str(MAX_DEPTH), "subtree": subtree}
        # A subtree that is drawn again gets another answer.
        seed = _SEED + tree.rounds * params.subtrees + position
        requests.append(Request(fill(PROMPTS / "evolve.txt", values), seed))
    for paths in ask_parsed(backend, requests, _sampling(params), read_features, counts):
        counts["features"] += tree.grow(paths or ())
    tree.rounds += 1


def read_features(answer: str) -> tuple[FeaturePath, ...]:
    """Read the features of an answer.

    Raises:
        ValueError: the answer does not have the form; the message explains to the model why.
    """
    return read_object(answer, Features).paths()


def write_problems(
    tree: FeatureTree,
    backend: Model,
    params: SynthesisParams,
    executor: Engine,
    count: int,
    out: Path,
) -> dict[str, int]:
    """Ask for problems and write the sound ones.

    Args:
        tree: the features to draw from.
        backend: the model.
        params: the parameters of synthesis.
        executor: the engine that runs every solution against its problem's tests.
        count: the number of problems to ask for. A larger number leaves the first problems as they are.
        out: the JSONL file of the problems. Its name without suffix begins their ids.

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
    calls = Counter[str]()
    offered: list[tuple[FeaturePath, ...]] = []

    def run(problem: Problem) -> tuple[Problem, Outcome]:
        return run_right_program(problem, problem.reference or "", executor)

    with show_progress("problems", count) as advance:
        requests = _problem_requests(tree, count, offered)
        drafts = ask_parsed(backend, requests, _sampling(params), partial(read_object, form=Draft), calls)
        drafted = _runnable(drafts, offered, out.name.partition(".")[0], counts, advance)
        judged = (result for _, result in executor.each(drafted, run))
        counts["problems/kept"] = write_jsonl(out, _keep(judged, counts))
    counts["asked_again"] = calls["asked_again"]
    return {"problems/asked": count, **counts}


def _problem_requests(tree: FeatureTree, count: int, offered: list[tuple[FeaturePath, ...]]) -> Iterator[Request]:
    """Yield the requests for problems; `offered` gets the features of each."""
    for number in range(count):
        features = tree.sample(BREADTH, FEATURE_TEMPERATURE, Random(f"{_SEED}/problem/{number}"))
        offered.append(features)
        lines = [f"{position}. {SEPARATOR.join(path)}" for position, path in enumerate(features, start=1)]
        fields = {"features": "\n".join(lines), "form": json.dumps(Draft.model_json_schema())}
        yield Request(fill(PROMPTS / "problem.txt", fields), _SEED + number)


def _runnable(
    drafts: Iterable[Draft | None],
    offered: Sequence[tuple[FeaturePath, ...]],
    name: str,
    counts: Counter[str],
    advance: Callable[[], None],
) -> Iterator[Problem]:
    """Yield the problems of the drafts that can be run."""
    for number, draft in enumerate(drafts):
        advance()
        if draft is None:
            counts["problems/dropped/unreadable"] += 1
            continue
        missing = [package for package in draft.packages if importlib.util.find_spec(package) is None]
        features = [
            SEPARATOR.join(offered[number][position - 1])
            for position in dict.fromkeys(draft.features)
            if 1 <= position <= len(offered[number])
        ]
        if missing:
            counts["problems/dropped/missing_package"] += 1
            counts.update(f"missing_package/{package}" for package in missing)
        elif not features:
            counts["problems/dropped/no_feature"] += 1
        else:
            test = ScriptTest(module=MODULE, files={TEST_FILE: draft.test}, run=TEST_FILE, packages=draft.packages)
            yield Problem(
                task_id=f"{name}/{number}",
                prompt=f"{draft.instruction}\n\nWrite the file `{MODULE}.py`.",
                entry_point=MODULE,
                tests=(test,),
                reference=draft.solution,
                source="synthesized",
                features=tuple(features),
            )


def _keep(judged: Iterable[tuple[Problem, Outcome]], counts: Counter[str]) -> Iterator[Problem]:
    """Yield the problems whose reference passes and whose instruction is new."""
    seen = set[str]()
    for problem, outcome in judged:
        if outcome.verdict == "infra_error":
            counts["problems/dropped/not_judged"] += 1
        elif outcome.verdict != "passed":
            counts["problems/dropped/reference_fails"] += 1
            counts[f"reference_fails/{outcome.verdict}"] += 1
        elif (digest := statement_digest(problem.prompt)) in seen:
            counts["problems/dropped/repeated"] += 1
        else:
            seen.add(digest)
            yield problem


def _sampling(params: SynthesisParams) -> Sampling:
    return Sampling(_TEMPERATURE, params.max_new_tokens)
