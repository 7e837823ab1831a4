"""Let a model write problems by way of a feature tree that it finds in seed code and grows (`iterpref synthesize`)."""

import importlib.util
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random

from iterpref_core.execution import UNFIT, Engine, program_of, run_right_program
from iterpref_core.models.inference.backend import Model, Request, Sampling
from iterpref_core.models.prompts.structured_answers import ask_parsed, read_object
from iterpref_core.models.prompts.templates import fill
from iterpref_core.programs.source_code.private_data import find_private
from iterpref_core.records import InputError, Problem, ScriptTest, SynthesisParams, statement_digest
from iterpref_core.storage.dropped import Dropped, open_dropped
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.storage.progress import watch

from ..ingestion.columns import DroppedError
from ..ingestion.demands import demanding_places
from ..ingestion.problem_rows import PublishedProblem
from .answer_forms import MAX_DEPTH, MODULE, TEST_FILE, Draft, Features
from .feature_tree import CATEGORIES, SEPARATOR, FeaturePath, FeatureTree, show
from .seed_code import fit_seeds, read_seeds

PROMPTS = Path(__file__).with_name("prompts")
_CATEGORIES = ", ".join(CATEGORIES)

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
    programs = fit_seeds(read_seeds(source), SEED_CHARS, reason_against, seeds)
    requests = (
        Request(fill(PROMPTS / "extract.jinja", categories=_CATEGORIES, code=program), _SEED) for program in programs
    )
    answers = ask_parsed(backend, requests, _sampling(params), read_features, calls)
    for paths in watch("features of seed code", None, answers):
        if paths is not None:
            tree.observe(paths)
    extracted = tree.size()
    if not extracted:
        raise InputError(f"{source}: no feature was found in {seeds['seeds']} programs; give more, or other seed code")
    tree.save(out)
    grown = Counter[str](features=0, asked=0, asked_again=0, unreadable=0)
    for _ in watch("rounds of evolution", ROUNDS, range(ROUNDS)):
        evolve(tree, backend, params, grown)
        tree.save(out)
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
        asked = fill(PROMPTS / "evolve.jinja", categories=_CATEGORIES, depth=str(MAX_DEPTH), subtree=subtree)
        # A subtree that is drawn again gets another answer.
        seed = _SEED + tree.rounds * params.subtrees + position
        requests.append(Request(asked, seed))
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
    dropped: Path | None = None,
) -> dict[str, int]:
    """Ask for problems and write the sound ones.

    Args:
        tree: the features to draw from.
        backend: the model.
        params: the parameters of synthesis.
        executor: the engine that runs every solution against its problem's tests.
        count: the number of problems to ask for. A larger number leaves the first problems as they are.
        out: the JSONL file of the problems. Its name without suffix begins their ids.
        dropped: JSONL to write the others to, each with its reason; not written by default.

    Returns:
        `problems/asked`, `problems/kept` and, adding up to the former, `problems/dropped/<reason>`; then
        `missing_package/<name>` and `asked_again`. The reasons: `unreadable`,
        `no_feature`, `missing_package`, `secret`, `email`, `reference_fails`, `not_judged`, `demands_nothing`: every
        program passes the tests, and `repeated`.

    Raises:
        InputError: the tree is empty.
        ExecutionError: the engine failed.
    """
    if not tree.categories:
        raise InputError("the feature tree is empty; make one from seed code (--seed-code)")
    counts = Counter[str]()
    calls = Counter[str]()
    offered: list[tuple[FeaturePath, ...]] = []

    with open_dropped(dropped) as drops:
        requests = _problem_requests(tree, count, offered)
        drafts = ask_parsed(backend, requests, _sampling(params), partial(read_object, form=Draft), calls)
        name = out.name.partition(".")[0]
        drafted = (
            _read_draft(draft, offered[number], f"{name}/{number}", counts)
            for number, draft in enumerate(watch("problems", count, drafts))
        )
        judged = (problem for _, problem in executor.each(drops.keep(drafted), partial(_judge, executor)))
        first: dict[str, str] = {}
        new = (_without_twin(problem, first) for problem in drops.keep(judged))
        counts["problems/kept"] = write_jsonl(out, drops.keep(new))
    counts["asked_again"] = calls["asked_again"]
    return {"problems/asked": count, **counts, **{f"problems/{name}": each for name, each in drops.counts.items()}}


def _judge(executor: Engine, problem: Problem) -> Problem | Dropped:
    """Run a problem's reference, and a program that does nothing; return the reason against the problem, if any."""
    reference = problem.reference or ""
    judged, outcome = run_right_program(problem, reference, executor)
    reason = "not_judged" if outcome.verdict == "infra_error" else "reference_fails"
    explanation = f"{outcome.verdict}: {outcome.feedback}"
    if outcome.verdict == "passed" or outcome.exception == UNFIT:
        try:
            demanding_places(
                PublishedProblem(judged, right=(reference,)),
                lambda each, wall_s=None, _number=0: lambda code: executor.run_one(program_of(each, code, wall_s)),
            )
        except DroppedError as error:
            reason, explanation = error.reason, str(error)
        else:
            if outcome.verdict == "passed":
                return judged
    return Dropped(reason, problem.task_id, problem.task_id, explanation)


def _problem_requests(tree: FeatureTree, count: int, offered: list[tuple[FeaturePath, ...]]) -> Iterator[Request]:
    """Yield the requests for problems; `offered` gets the features of each."""
    for number in range(count):
        features = tree.sample(BREADTH, FEATURE_TEMPERATURE, Random(f"{_SEED}/problem/{number}"))
        offered.append(features)
        lines = [f"{position}. {SEPARATOR.join(path)}" for position, path in enumerate(features, start=1)]
        form = json.dumps(Draft.model_json_schema())
        yield Request(fill(PROMPTS / "problem.jinja", features="\n".join(lines), form=form), _SEED + number)


def _read_draft(
    draft: Draft | None, offered: Sequence[FeaturePath], task_id: str, counts: Counter[str]
) -> Problem | Dropped:
    """Return the problem of a draft; or the reason why it cannot be run."""
    if draft is None:
        return Dropped("unreadable", task_id, task_id)
    missing = [package for package in draft.packages if importlib.util.find_spec(package) is None]
    if missing:
        counts.update(f"missing_package/{package}" for package in missing)
        return Dropped("missing_package", task_id, task_id, ", ".join(missing))
    places = [place for place in dict.fromkeys(draft.features) if 1 <= place <= len(offered)]
    if not places:
        return Dropped("no_feature", task_id, task_id)
    if found := find_private(f"{draft.instruction}\n{draft.solution}\n{draft.test}"):
        return Dropped(found.reason, task_id, task_id, f"it seems to hold {found}")
    test = ScriptTest(module=MODULE, files={TEST_FILE: draft.test}, run=TEST_FILE, packages=draft.packages)
    return Problem(
        task_id=task_id,
        prompt=f"{draft.instruction}\n\nWrite the file `{MODULE}.py`.",
        entry_point=MODULE,
        tests=(test,),
        reference=draft.solution,
        source="synthesized",
        features=tuple(SEPARATOR.join(offered[place - 1]) for place in places),
    )


def _without_twin(problem: Problem, first: dict[str, str]) -> Problem | Dropped:
    """Return a problem whose instruction is new; `first` has the first problem of each."""
    name = problem.task_id
    partner = first.setdefault(statement_digest(problem.prompt), name)
    return problem if partner == name else Dropped("repeated", name, name, "it has the instruction of another", partner)


def _sampling(params: SynthesisParams) -> Sampling:
    return Sampling(_TEMPERATURE, params.max_new_tokens)
