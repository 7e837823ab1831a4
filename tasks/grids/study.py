"""`make study`: does focal preference training beat its baselines, and SFT on the same chosen programs?

Two regimes. In `base`, training starts from the experiment's student, which still learns much from any correct program.
In `sft`, it starts from that student after supervised training on the chosen programs, round after round until another
one gains nothing on validation: what a failing program adds to that can show.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from iterpref_core.config import Params
from iterpref_core.objectives.objectives import ObjectiveName
from iterpref_core.problems.problems import synthesize
from iterpref_core.records import Record
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.storage.make_once import make_once
from tasks.grids.comparison import ComparisonRow, compare_rows
from tasks.grids.lineage import FOLDER, digest
from tasks.grids.trial import Trial, TrialScore, run_trials
from tasks.grids.tuning import at

REGIMES = ("base", "sft")
MAX_ROUNDS = 6
"""Of SFT before the regime `sft`."""
BASE = "start"
Start = tuple[tuple[ObjectiveName, dict[str, Any]], ...]


class Method(NamedTuple):
    """A row of the study: an objective, and how its error regions are found."""

    label: str
    objective: ObjectiveName
    values: Mapping[str, Any]


METHODS = (
    Method("SFT", "sft", {}),
    Method("DPO", "dpo", {}),
    Method("RPO", "rpo", {}),
    Method("Hybrid", "hybrid-rpo", {}),
    Method("Target-DPO", "target-dpo", {}),
    Method("Target-RPO", "target-rpo", {}),
    Method("Target-RPO, causal", "target-rpo", {"localization.method": "causal"}),
)


class Regime(Record):
    """What one regime showed.

    Attributes:
        regime: `base` or `sft`.
        learning_rates: label → the rate chosen on validation, and its score there.
        rows: held-out scores, each compared to the regime's starting model.
        against_sft: the same rows, compared to SFT.
    """

    regime: str
    learning_rates: dict[str, tuple[float, float]]
    rows: list[ComparisonRow]
    against_sft: list[ComparisonRow]


def run_study(params: Params, regimes: Sequence[str], jobs: int) -> list[Regime]:
    """Tune every method on one seed on validation, then train each with fresh seeds and score it on held-out problems.

    Every method is tuned on the same number of configurations: `params.study.learning_rates`. What an earlier,
    interrupted study finished is kept; seed follows seed, so that it is balanced wherever it stops.

    Args:
        params: of the experiment, whose stage `localization` has run.
        regimes: of `REGIMES`.
        jobs: trials at once, sharing the cores.

    Raises:
        InputError: the experiment's artifacts are not there.
    """
    starts: dict[str, Start] = {"base": ()}
    if "sft" in regimes:
        starts["sft"] = saturate(params, jobs)
    return [_study_regime(params, regime, starts[regime], jobs) for regime in regimes]


def _study_regime(params: Params, regime: str, start: Start, jobs: int) -> Regime:
    chosen = _tune(params, start, METHODS, jobs)
    code = code_digest("iterpref_core.problems")
    problems = FOLDER / "problems" / f"{digest(params.problems.model_dump(), params.study.heldout, code)}.jsonl"
    larger = params.problems.model_copy(update={"heldout": params.study.heldout})
    make_once(problems, lambda out: write_jsonl(out, (p for p in synthesize(larger) if p.split == "heldout")))
    base = Trial(label=BASE, objective=None, split="heldout", after=start)
    trials = [base] + [
        Trial(
            label=method.label,
            objective=method.objective,
            values={**method.values, **at(method.objective, chosen[method.label][0]), "training.seed": seed},
            split="heldout",
            after=start,
        )
        for seed in fresh_seeds(params)
        for method in METHODS
    ]
    scores: dict[str, list[TrialScore]] = {}
    for trial, score in zip(trials, run_trials(f"study {regime}", trials, params, jobs, problems), strict=True):
        scores.setdefault(trial.label, []).append(score)
    knobs = {"resamples": params.evaluation.bootstrap, "seed": params.evaluation.seed}
    return Regime(
        regime=regime,
        learning_rates=chosen,
        rows=compare_rows(scores, against=BASE, **knobs),
        against_sft=compare_rows(scores, against="SFT", **knobs),
    )


def saturate(params: Params, jobs: int) -> Start:
    """Rounds of SFT, each at its best rate, as long as the next one gains something on validation; at least one."""
    start: Start = ()
    reached = 0.0
    while len(start) < MAX_ROUNDS:
        rate, score = _tune(params, start, METHODS[:1], jobs)["SFT"]
        if score <= reached:
            break
        start, reached = (*start, ("sft", at("sft", rate))), score
    return start


def fresh_seeds(params: Params) -> list[int]:
    """Seeds that tuning has not seen."""
    return [params.training.seed + 1 + number for number in range(params.study.seeds)]


def _tune(params: Params, start: Start, methods: Sequence[Method], jobs: int) -> dict[str, tuple[float, float]]:
    """Label → the learning rate with the highest score on validation, and that score; of equals the lower rate."""
    trials = [
        Trial(
            label=f"{method.label} lr={rate:g}",
            objective=method.objective,
            values={**method.values, **at(method.objective, rate)},
            after=start,
        )
        for method in methods
        for rate in params.study.learning_rates
    ]
    scores = iter(run_trials("study tuning", trials, params, jobs))
    best = {}
    for method in methods:
        found = [(next(scores).pass_at_1, -rate) for rate in params.study.learning_rates]
        score, rate = max(found)
        best[method.label] = (-rate, score)
    return best
