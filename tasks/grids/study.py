"""`iterpref study`: when does focal preference training beat its baselines?

A regime says where training starts and where its pairs come from. In each, every method is trained in two ways:
*tuned*, at the best of the same number of configurations, and *as published*, at one setting for all. Configurations
are drawn once from declared ranges and chosen on validation; held-out problems choose nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from random import Random
from statistics import fmean
from typing import Any, NamedTuple

from iterpref_core.config import Params, StudyEffort, with_values
from iterpref_core.objectives.objectives import find_objective
from iterpref_core.records import FocalSpans, Record
from iterpref_core.storage.jsonl import read_jsonl
from tasks.grids.comparison import ComparisonRow, compare_rows
from tasks.grids.compute_cost import ComputeCost, cost_of_own_answers, cost_on_pairs
from tasks.grids.lineage import EXPERIMENT, draft_again, find_inputs, make_experiment
from tasks.grids.study_methods import CONTENDERS, HYPOTHESES, METHODS, REFERENCE, UNWEIGHED_SFT, Method
from tasks.grids.trial import Inside, Trial, TrialScore, run_trials
from tasks.grids.trial_training import GRPO, Training, TrainingName, train_before

MAX_ROUNDS = 6
"""Of SFT before a saturated start."""
START = "start"


class Regime(NamedTuple):
    """Where training starts.

    Attributes:
        says: what it is, for readers.
        problems_per_pair: about how many become one pair: regimes are to train on as many pairs.
        fresh_per_pair: about how many others become one pair, of drafts by the start itself; then the student's
            pairs do no more than saturate it.
        student: parameters of the embedded student, by dotted key.
        values: of its experiment.
        saturated: SFT goes on before, round after round, until another one gains nothing on validation.
        methods: that are trained, unless others are named.
    """

    says: str
    problems_per_pair: float
    student: Mapping[str, Any]
    values: Mapping[str, Any] = {}
    saturated: bool = False
    fresh_per_pair: float = 0.0
    methods: tuple[Method, ...] = CONTENDERS


_NARROW = {"nanolab.hidden_size": 128, "nanolab.intermediate_size": 352}
_HABITS = {"nanolab.habits": 0.62, "nanolab.student_steps": 200}
_SMALL = {"nanolab.hidden_size": 64, "nanolab.intermediate_size": 176}
_CORPUS = {"problems.student": 3000}
REGIMES = {
    "scratch": Regime("a student that has much to learn from any correct program", 1.6, _NARROW),
    "saturated": Regime("the student after SFT, until more of it gains nothing", 1.6, _NARROW, saturated=True),
    "habits": Regime(
        "a student whose corpus had systematic mistakes", 2.2, _NARROW | _HABITS, _CORPUS, methods=METHODS + HYPOTHESES
    ),
    "habits-small": Regime("the same, half as wide", 2.2, _SMALL | _HABITS, _CORPUS),
    "on-policy": Regime(
        "the saturated student, on pairs of its own drafts", 0.6, _NARROW, saturated=True, fresh_per_pair=3.5
    ),
}
QUICK = ("habits",)
"""Regimes of the quick study, unless others are asked for."""


class Configuration(Record):
    """A configuration; an objective reads of it what it has."""

    learning_rate: float
    alpha: float
    beta: float
    epochs: int
    nll: str = "mean"


class Tried(Record):
    """A method at a configuration, one seed: pass@1 on validation."""

    label: str
    setting: Configuration
    pass_at_1: float


class StudyChoice(Record):
    """What a regime chose on validation, before anything of it was held out.

    Attributes:
        regime: of `REGIMES`.
        pairs: that its methods train on.
        rounds: of SFT before the start.
        start: pass@1 of the starting model on validation.
        tried: every method at every configuration.
        chosen: label → the configuration with the highest score.
    """

    regime: str
    pairs: int
    rounds: int
    start: float
    tried: list[Tried]
    chosen: dict[str, Configuration]


class Change(Record):
    """A tuned method against the start: tasks that only the one solves and only the other, and what moved inside.

    Attributes:
        fixed: held-out problems that training brought, mean over seeds.
        broken: those that it lost.
        inside: of the first seed; None where its training diverged.
    """

    fixed: float
    broken: float
    inside: Inside | None = None


class RegimeResult(Record):
    """What one regime showed.

    Attributes:
        choice: its configurations.
        commit: that these were read from, if they were committed before.
        pairs: that were trained on here; another kind of processor than chose makes a few others.
        tuned: held-out scores at these, compared to the start.
        tuned_against_sft: the same, compared to SFT.
        published: held-out scores at the one setting for all, compared to the start.
        published_against_sft: the same, compared to SFT.
        start_inside: the start itself, looked into.
        changes: label → what tuned training changed.
        costs: label → what tuned training took.
    """

    choice: StudyChoice
    commit: str | None = None
    pairs: int
    tuned: list[ComparisonRow]
    tuned_against_sft: list[ComparisonRow]
    published: list[ComparisonRow]
    published_against_sft: list[ComparisonRow]
    start_inside: Inside
    changes: dict[str, Change]
    costs: dict[str, ComputeCost]


def draw_settings(effort: StudyEffort) -> list[Configuration]:
    """The configurations that every method is tuned on, a Latin hypercube: rate, alpha and beta log-uniform."""
    random, count = Random(effort.seed), effort.configurations

    def spread(low: float, high: float) -> list[float]:
        shares = [(place + random.random()) / count for place in random.sample(range(count), count)]
        return [float(f"{low * (high / low) ** share:.2g}") for share in shares]

    rates, alphas, betas = spread(*effort.learning_rate), spread(*effort.alpha), spread(*effort.beta)
    return [
        Configuration(learning_rate=rate, alpha=alpha, beta=beta, epochs=effort.epochs[place % len(effort.epochs)])
        for place, (rate, alpha, beta) in enumerate(zip(sorted(rates), alphas, betas, strict=True))
    ]


class Study:
    """One regime.

    What an earlier, interrupted study finished is kept; seed follows seed, so that it is balanced wherever it stops.

    Args:
        params: of the experiment; `params.study` says how much is done.
        regime: of `REGIMES`.
        jobs: trials at once, sharing the cores.
        quick: with the smaller effort.
        only: labels of the methods that take part, beside the one that they are compared to; by default those of the
            regime, of which a quick study leaves out the objectives made to win.
    """

    def __init__(
        self, params: Params, regime: str, jobs: int, *, quick: bool = False, only: Collection[str] = ()
    ) -> None:
        effort = params.study.quick if quick else params.study.full
        self._regime, self._name, self._effort, self._jobs = REGIMES[regime], regime, effort, jobs
        sizes = {f"problems.{split}": getattr(effort, split) for split in ("validation", "heldout")}
        self._drafted = round(effort.pairs * self._regime.problems_per_pair)
        sizes["problems.codeflow"] = self._drafted + round(effort.pairs * self._regime.fresh_per_pair)
        self._params = with_values(params, sizes | {"pairs.benchmarks": ["heldout"], **self._regime.values})
        self._own, self.start, self.rounds = EXPERIMENT, tuple[Training, ...](), 0
        self._quick, self._only = quick, {REFERENCE, *only} if only else set[str]()
        # GRPO answers problems for as long as pairs would take, and so the longer, the more pairs there are.
        self._grpo_steps = max(1, round(params.study.grpo.steps * effort.pairs / params.study.full.pairs))

    def choose(self) -> StudyChoice:
        """Make the regime's experiment, and tune every method in it, on validation."""
        self._begin()
        [start] = self._score("start", [Trial(label=START, objective=None, after=self.start)])
        if self._only:
            methods = [method for method in METHODS + HYPOTHESES if method.label in self._only]
        else:
            methods = [method for method in self._regime.methods if not (self._quick and method.hypothesis)]
        tried = self._tune(methods)
        return StudyChoice(
            regime=self._name,
            pairs=self._count_pairs(),
            rounds=self.rounds,
            start=start.pass_at_1,
            tried=tried,
            chosen={method.label: _best(tried, method.label) for method in methods},
        )

    def hold_out(self, choice: StudyChoice, commit: str | None) -> RegimeResult:
        """Train every method over fresh seeds, at what was chosen and as published, and score held-out problems.

        Args:
            choice: of this regime, whose methods are trained, but for those that are not named where some are.
            commit: that it was read from.
        """
        self._begin()
        labels = self._only or choice.chosen.keys()
        settings = [
            (method, choice.chosen[method.label])
            for method in METHODS + HYPOTHESES
            if method.label in choice.chosen and method.label in labels
        ]
        tuned = self._over_seeds("tuned", settings, inside=True)
        one_for_all = Configuration(**self._params.study.published.model_dump())
        known = [(method, one_for_all) for method, _ in settings if not method.hypothesis]
        published = self._over_seeds("as published", known)
        [start] = tuned[START]
        assert start.inside, "it was asked for"
        return RegimeResult(
            choice=choice, commit=commit, pairs=self._count_pairs(),
            tuned=self._compare(tuned, START), tuned_against_sft=self._compare(tuned, REFERENCE),
            published=self._compare(published, START), published_against_sft=self._compare(published, REFERENCE),
            start_inside=start.inside,
            changes={method.label: _change(start, tuned[method.label]) for method, _ in settings},
            costs={method.label: self._cost(method, setting, tuned[method.label]) for method, setting in settings},
        )  # fmt: skip

    def _count_pairs(self) -> int:
        return sum(1 for _ in read_jsonl(self._own.spans, FocalSpans))

    def _begin(self) -> None:
        """Make the artifacts that all methods share, and the start."""
        if self._own != EXPERIMENT:
            return
        self._own = make_experiment(self._params, self._regime.student, self._drafted)
        if self._regime.saturated:
            self.saturate()
            self.rounds = len(self.start)
        if self._regime.fresh_per_pair:
            model = train_before(self.start, self._params, self._own)
            self._own, self.start = draft_again(self._own, model, self._params, self._drafted), ()

    def saturate(self) -> None:
        """Rounds of plain SFT at its best configuration, as long as the next one gains something on validation."""
        sft = UNWEIGHED_SFT
        best = _best(self._tune([sft]), sft.label)
        reached = 0.0
        while len(self.start) < MAX_ROUNDS:
            trial = self._trial(sft, best, None)
            [score] = self._score("saturating", [trial])
            if score.pass_at_1 <= reached:
                break
            self.start, reached = (*self.start, (sft.objective, trial.values)), score.pass_at_1

    def _tune(self, methods: Sequence[Method]) -> list[Tried]:
        """Every method at every configuration, one seed, on validation; the objectives made to win come last."""
        plan = [(method, setting) for setting in draw_settings(self._effort) for method in methods]
        plan.sort(key=lambda one: bool(one[0].hypothesis))
        scores = self._score("tuning", [self._trial(method, setting, None) for method, setting in plan])
        return [
            Tried(label=method.label, setting=setting, pass_at_1=score.pass_at_1)
            for (method, setting), score in zip(plan, scores, strict=True)
        ]

    def _over_seeds(
        self, how: str, settings: Sequence[tuple[Method, Configuration]], *, inside: bool = False
    ) -> dict[str, list[TrialScore]]:
        """Held-out scores of the start and of every method, each with fresh seeds; the first is looked into."""
        trials = [Trial(label=START, objective=None, split="heldout", after=self.start, inside=inside)] + [
            self._trial(method, setting, seed, inside=inside and not number)
            for number, seed in enumerate(self._fresh_seeds())
            for method, setting in settings
        ]
        scores: dict[str, list[TrialScore]] = {}
        for trial, score in zip(trials, self._score(how, trials), strict=True):
            scores.setdefault(trial.label, []).append(score)
        return scores

    def _fresh_seeds(self) -> range:
        """Seeds that tuning has not seen."""
        first = self._params.training.seed + 1
        return range(first, first + self._effort.seeds)

    def _trial(self, method: Method, setting: Configuration, seed: int | None, *, inside: bool = False) -> Trial:
        """One training; with a seed of its own it is scored on held-out problems, else on validation."""
        values = {**_values(method.objective, setting, self._params), **method.values}
        if method.objective == GRPO:
            values["study.grpo.steps"] = self._grpo_steps
        if seed is not None:
            values["training.seed"] = seed
        split = "validation" if seed is None else "heldout"
        return Trial(
            label=method.label, objective=method.objective, values=values, split=split, after=self.start, inside=inside
        )

    def _score(self, what: str, trials: Sequence[Trial]) -> list[TrialScore]:
        return run_trials(f"study {self._name}: {what}", trials, self._params, self._jobs, self._own)

    def _compare(self, scores: Mapping[str, Sequence[TrialScore]], against: str) -> list[ComparisonRow]:
        asked = self._params.evaluation
        return compare_rows(scores, against=against, resamples=asked.bootstrap, seed=asked.seed)

    def _cost(self, method: Method, setting: Configuration, scores: Sequence[TrialScore]) -> ComputeCost:
        values = self._trial(method, setting, None).values
        changed = with_values(self._params, values)
        inputs = find_inputs(changed, values, self._own)
        if method.objective == GRPO:
            return cost_of_own_answers(inputs, scores)
        return cost_on_pairs(method.objective, inputs, changed, scores)


def _values(objective: TrainingName, setting: Configuration, params: Params) -> dict[str, Any]:
    """A configuration as parameters: what the objective does not read is left as it is."""
    if objective == GRPO:
        return {"study.grpo.learning_rate": setting.learning_rate}
    row = find_objective(objective, params.training.objectives)
    own = f"training.objectives.{objective}"
    values: dict[str, Any] = {f"{own}.learning_rate": setting.learning_rate, "training.epochs": setting.epochs}
    values["training.max_margin"] = 0.0  # what a setting does to a model is for its score to say
    if row.preference:
        values["training.beta"] = setting.beta
    if row.nll:
        values |= {f"{own}.alpha": setting.alpha, "training.nll": setting.nll}
    return values


def _best(tried: Sequence[Tried], label: str) -> Configuration:
    """The configuration of a method with the highest score; of equals the one that was drawn first."""
    own = [one for one in tried if one.label == label]
    return max(own, key=lambda one: one.pass_at_1).setting


def _change(start: TrialScore, scores: Sequence[TrialScore]) -> Change:
    before = set(start.passed)
    return Change(
        fixed=fmean(len(set(score.passed) - before) for score in scores),
        broken=fmean(len(before - set(score.passed)) for score in scores),
        inside=scores[0].inside,
    )
