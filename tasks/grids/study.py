"""`iterpref study`: when does focal preference training beat its baselines?

A regime says where training starts and where its pairs come from. In each, every method is trained in two ways:
*tuned*, at the best of the same number of configurations, and *as published*, at one setting for all. Configurations
are drawn once from declared ranges and chosen on validation; held-out problems choose nothing.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from iterpref_core.config import Params, StudyEffort, with_values
from iterpref_core.objectives.objectives import find_objective
from iterpref_core.records import Record
from tasks.grids.comparison import ComparisonRow, compare_rows
from tasks.grids.lineage import Artifacts, draft_again, make_experiment
from tasks.grids.trial import GRPO, Training, TrainingName, Trial, TrialScore, run_trials, train_before

MAX_ROUNDS = 6
"""Of SFT before a saturated start."""
START = "start"
REFERENCE = "SFT"


class Regime(NamedTuple):
    """Where training starts.

    Attributes:
        says: what it is, for readers.
        values: parameters of its experiment that differ from the study's, by dotted key.
        saturated: SFT goes on before, round after round, until another one gains nothing on validation.
        own_drafts: the start drafts the problems again, and pairs are of these drafts.
    """

    says: str
    values: Mapping[str, Any] = {}
    saturated: bool = False
    own_drafts: bool = False


_HABITS = {"nanolab.habits": 0.62, "problems.student": 3000, "nanolab.student_steps": 200}
REGIMES = {
    "scratch": Regime("a student that has much to learn from any correct program"),
    "saturated": Regime("the student after SFT, until more of it gains nothing", saturated=True),
    "habits": Regime("a student whose corpus had systematic mistakes", _HABITS),
    "habits-small": Regime("the same, half as wide", _HABITS | {"nanolab.hidden_size": 128}),
    "on-policy": Regime("the saturated student, on pairs of its own drafts", saturated=True, own_drafts=True),
}


class Method(NamedTuple):
    """A row of the study: an objective, and what else it changes."""

    label: str
    objective: TrainingName
    values: Mapping[str, Any] = {}


METHODS = (
    Method(REFERENCE, "sft"),
    Method("RAFT", "sft", {"codeflow.source": "sampling"}),
    Method("DPO", "dpo"),
    Method("RPO", "rpo"),
    Method("Target-DPO", "target-dpo"),
    Method("Target-RPO", "target-rpo"),
    Method("GRPO", GRPO),
)


class Setting(Record):
    """A configuration; an objective reads of it what it has."""

    learning_rate: float
    alpha: float
    beta: float
    epochs: int
    nll: str = "mean"


class Tried(Record):
    """A method at a configuration, one seed: pass@1 on validation."""

    label: str
    setting: Setting
    pass_at_1: float


class RegimeResult(Record):
    """What one regime showed.

    Attributes:
        regime: of `REGIMES`.
        start: pass@1 of the starting model on validation.
        tried: every method at every configuration.
        chosen: label → the configuration with the highest score on validation.
        tuned: held-out scores at these, compared to the start.
        tuned_against_sft: the same, compared to SFT.
        published: held-out scores at the one setting for all, compared to the start.
        published_against_sft: the same, compared to SFT.
    """

    regime: str
    start: float
    tried: list[Tried]
    chosen: dict[str, Setting]
    tuned: list[ComparisonRow]
    tuned_against_sft: list[ComparisonRow]
    published: list[ComparisonRow]
    published_against_sft: list[ComparisonRow]


def draw_settings(effort: StudyEffort) -> list[Setting]:
    """The configurations that every method is tuned on, a Latin hypercube: rate, alpha and beta log-uniform."""
    random, count = Random(effort.seed), effort.configurations

    def spread(low: float, high: float) -> list[float]:
        shares = [(place + random.random()) / count for place in random.sample(range(count), count)]
        return [float(f"{low * (high / low) ** share:.2g}") for share in shares]

    rates, alphas, betas = spread(*effort.learning_rate), spread(*effort.alpha), spread(*effort.beta)
    return [
        Setting(learning_rate=rate, alpha=alpha, beta=beta, epochs=effort.epochs[place % len(effort.epochs)])
        for place, (rate, alpha, beta) in enumerate(zip(sorted(rates), alphas, betas, strict=True))
    ]


def run_study(params: Params, regimes: Sequence[str], jobs: int, *, quick: bool = False) -> list[RegimeResult]:
    """Make each regime's experiment, tune every method in it, and train each over fresh seeds.

    What an earlier, interrupted study finished is kept; seed follows seed, so that it is balanced wherever it stops.

    Args:
        params: of the experiment; `params.study` says how much is done.
        regimes: of `REGIMES`.
        jobs: trials at once, sharing the cores.
        quick: with the smaller effort.
    """
    effort = params.study.quick if quick else params.study.full
    return [_Study(params, effort, regime, jobs).run() for regime in regimes]


class _Study:
    def __init__(self, params: Params, effort: StudyEffort, regime: str, jobs: int) -> None:
        sizes = {f"problems.{split}": getattr(effort, split) for split in ("codeflow", "validation", "heldout")}
        self._regime, self._name, self._effort, self._jobs = REGIMES[regime], regime, effort, jobs
        self._params = with_values(params, sizes | {"pairs.benchmarks": ["heldout"], **self._regime.values})
        self._own: Artifacts = make_experiment(self._params)
        self.start: tuple[Training, ...] = ()

    def run(self) -> RegimeResult:
        if self._regime.saturated:
            self.saturate()
        if self._regime.own_drafts:
            model = train_before(self.start, self._params, self._own)
            self._own, self.start = draft_again(self._own, model, self._params), ()
        [start] = self._score("start", [Trial(label=START, objective=None, after=self.start)])
        tried = self._tune(METHODS)
        chosen = {method.label: _best(tried, method.label) for method in METHODS}
        tuned = self._over_seeds("tuned", chosen)
        published = self._over_seeds(
            "as published", dict.fromkeys(chosen, Setting(**self._params.study.published.model_dump()))
        )
        return RegimeResult(
            regime=self._name, start=start.pass_at_1, tried=tried, chosen=chosen,
            tuned=self._compare(tuned, START), tuned_against_sft=self._compare(tuned, REFERENCE),
            published=self._compare(published, START), published_against_sft=self._compare(published, REFERENCE),
        )  # fmt: skip

    def saturate(self) -> None:
        """Rounds of SFT at its best configuration, as long as the next one gains something on validation."""
        sft = METHODS[0]
        best = _best(self._tune([sft]), sft.label)
        reached = 0.0
        while len(self.start) < MAX_ROUNDS:
            [score] = self._score("saturating", [self._trial(sft, best, None)])
            if score.pass_at_1 <= reached:
                break
            values = self._trial(sft, best, None).values
            self.start, reached = (*self.start, (sft.objective, values)), score.pass_at_1

    def _tune(self, methods: Sequence[Method]) -> list[Tried]:
        """Every method at every configuration, one seed, on validation."""
        plan = [(method, setting) for setting in draw_settings(self._effort) for method in methods]
        scores = self._score("tuning", [self._trial(method, setting, None) for method, setting in plan])
        return [
            Tried(label=method.label, setting=setting, pass_at_1=score.pass_at_1)
            for (method, setting), score in zip(plan, scores, strict=True)
        ]

    def _over_seeds(self, how: str, settings: Mapping[str, Setting]) -> dict[str, list[TrialScore]]:
        """Held-out scores of the start and of every method, each with fresh seeds."""
        trials = [Trial(label=START, objective=None, split="heldout", after=self.start)] + [
            self._trial(method, settings[method.label], seed) for seed in self._fresh_seeds() for method in METHODS
        ]
        scores: dict[str, list[TrialScore]] = {}
        for trial, score in zip(trials, self._score(how, trials), strict=True):
            scores.setdefault(trial.label, []).append(score)
        return scores

    def _fresh_seeds(self) -> range:
        """Seeds that tuning has not seen."""
        first = self._params.training.seed + 1
        return range(first, first + self._effort.seeds)

    def _trial(self, method: Method, setting: Setting, seed: int | None) -> Trial:
        """One training; with a seed of its own it is scored on held-out problems, else on validation."""
        values = {**method.values, **_values(method.objective, setting, self._params)}
        if seed is not None:
            values["training.seed"] = seed
        split = "validation" if seed is None else "heldout"
        return Trial(label=method.label, objective=method.objective, values=values, split=split, after=self.start)

    def _score(self, what: str, trials: Sequence[Trial]) -> list[TrialScore]:
        return run_trials(f"study {self._name}: {what}", trials, self._params, self._jobs, self._own)

    def _compare(self, scores: Mapping[str, Sequence[TrialScore]], against: str) -> list[ComparisonRow]:
        asked = self._params.evaluation
        return compare_rows(scores, against=against, resamples=asked.bootstrap, seed=asked.seed)


def _values(objective: TrainingName, setting: Setting, params: Params) -> dict[str, Any]:
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


def _best(tried: Sequence[Tried], label: str) -> Setting:
    """The configuration of a method with the highest score; of equals the one that was drawn first."""
    own = [one for one in tried if one.label == label]
    return max(own, key=lambda one: one.pass_at_1).setting
