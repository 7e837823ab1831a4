"""The study's protocols, from made-up scores."""

import os
from collections.abc import Sequence
from math import log
from pathlib import Path
from typing import Any

import pytest

from iterpref_core.config import Params, with_values
from iterpref_core.objectives.objectives import find_objective
from tasks.grids import study
from tasks.grids.compute_cost import ComputeCost
from tasks.grids.lineage import EXPERIMENT
from tasks.grids.study import MAX_ROUNDS, REGIMES, START, Configuration, RegimeResult, Study, _values, draw_settings
from tasks.grids.study_methods import CONTENDERS, HYPOTHESES, METHODS, REFERENCE, UNWEIGHED_SFT
from tasks.grids.trial import Inside, Trial, TrialScore
from tasks.grids.trial_training import GRPO

EMPTY = Path(os.devnull)


class Scores:
    """Stands for `run_trials`: what a trial scores is a function of it, and all that were asked for are kept."""

    def __init__(self, best: float = 3e-4, gains: Sequence[float] = (0.1,)) -> None:
        self.asked: list[tuple[str, Trial]] = []
        self._best, self._gains = best, gains

    def __call__(self, title: str, trials: Sequence[Trial], *_: Any) -> list[TrialScore]:
        self.asked += [(title, trial) for trial in trials]
        return [self._score(trial) for trial in trials]

    def _score(self, trial: Trial) -> TrialScore:
        rate = next((value for key, value in trial.values.items() if key.endswith("learning_rate")), None)
        rounds = len(trial.after) + (trial.objective is not None)
        reached = 0.2 + sum(self._gains[:rounds]) - (abs(rate - self._best) if rate is not None else 0.0)
        inside = Inside(pass_at_10=reached, divergence=None) if trial.inside else None
        return TrialScore(pass_at_1=reached, n=10, passed=tuple(map(str, range(round(10 * reached)))), inside=inside)


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Scores:
    found = Scores()
    monkeypatch.setattr(study, "run_trials", found)
    _without_artifacts(monkeypatch)
    return found


def _without_artifacts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "make_experiment", lambda *_: EXPERIMENT._replace(spans=EMPTY))
    monkeypatch.setattr(Study, "_cost", lambda *_: ComputeCost(training_cpu_s=1.0, training_flops=1.0))


def _run(params: Params, regime: str = "habits") -> RegimeResult:
    one = Study(params, regime, jobs=1, quick=True)
    return one.hold_out(one.choose(), commit=None)


def test_configurations_fill_their_ranges_and_are_the_same_for_every_method(params: Params) -> None:
    effort = params.study.full
    drawn = draw_settings(effort)
    assert len(drawn) == effort.configurations
    assert drawn == draw_settings(effort)
    for name in ("learning_rate", "alpha", "beta"):
        low, high = getattr(effort, name)
        places = sorted(effort.configurations * log(getattr(one, name) / low) / log(high / low) for one in drawn)
        assert all(abs(place - stratum - 0.5) < 0.6 for stratum, place in enumerate(places)), "one in every stratum"
    assert {one.epochs for one in drawn} == set(effort.epochs)


def test_every_method_is_tuned_alike_and_chosen_on_validation(params: Params, scores: Scores) -> None:
    found = _run(params)
    effort = params.study.quick
    tuning = [trial for title, trial in scores.asked if title.endswith("tuning")]
    assert {trial.split for trial in tuning} == {"validation"}
    assert [sum(trial.label == method.label for trial in tuning) for method in METHODS] == [
        effort.configurations
    ] * len(METHODS)
    nearest = min(draw_settings(effort), key=lambda one: abs(one.learning_rate - 3e-4))
    chosen = found.choice.chosen
    assert set(chosen) == {method.label for method in METHODS}
    assert all(one == nearest for one in chosen.values())
    heldout = [trial for title, trial in scores.asked if trial.split == "heldout" and trial.objective]
    assert len(heldout) == 2 * effort.seeds * len(METHODS)
    seeds = {trial.values["training.seed"] for trial in heldout}
    assert len(seeds) == effort.seeds
    assert params.training.seed not in seeds, "tuning's own"
    assert [row.label for row in found.tuned] == [START, *(method.label for method in METHODS)]
    assert found.tuned[0].difference is None
    assert next(row for row in found.tuned_against_sft if row.label == REFERENCE).difference is None


def test_one_setting_for_all_is_the_paper_s(params: Params, scores: Scores) -> None:
    _run(params)
    one = params.study.published
    rpo = [trial.values for title, trial in scores.asked if title.endswith("as published") and trial.label == "RPO"]
    assert rpo
    for values in rpo:
        assert values["training.beta"] == one.beta
        assert values["training.nll"] == "sum"
        assert values["training.objectives.rpo.alpha"] == one.alpha == 1.0


@pytest.mark.parametrize(("gains", "rounds"), [([0.2, 0.1, 0.02, -0.01], 3), ([0.1, 0.0], 1), ([0.05] * 9, MAX_ROUNDS)])
def test_sft_goes_on_until_it_gains_nothing(
    params: Params, monkeypatch: pytest.MonkeyPatch, gains: list[float], rounds: int
) -> None:
    monkeypatch.setattr(study, "run_trials", Scores(gains=gains))
    _without_artifacts(monkeypatch)
    started = Study(params, "saturated", jobs=1, quick=True)
    started.saturate()
    assert [name for name, _ in started.start] == ["sft"] * rounds


@pytest.mark.parametrize("regime", ["saturated", "on-policy"])
def test_a_choice_says_how_many_rounds_came_before(
    params: Params, monkeypatch: pytest.MonkeyPatch, regime: str
) -> None:
    monkeypatch.setattr(study, "run_trials", Scores(gains=[0.2, 0.1, -0.01]))
    _without_artifacts(monkeypatch)
    monkeypatch.setattr(study, "train_before", lambda *_: EMPTY)
    monkeypatch.setattr(study, "draft_again", lambda *_: EXPERIMENT._replace(spans=EMPTY))
    assert Study(params, regime, jobs=1, quick=True).choose().rounds == 2


def test_a_method_reads_of_a_configuration_what_it_has(params: Params) -> None:
    setting = Configuration(learning_rate=1e-4, alpha=5.0, beta=0.7, epochs=10)
    for method in METHODS + HYPOTHESES:
        values = _values(method.objective, setting, params)
        with_values(params, values)
        if method.objective == GRPO:
            assert values == {"study.grpo.learning_rate": 1e-4}
            continue
        row = find_objective(method.objective, params.training.objectives)
        assert ("training.beta" in values) == row.preference
        assert (f"training.objectives.{method.objective}.alpha" in values) == bool(row.nll)


def test_sft_is_weighed_as_rpo_is_but_where_it_is_said_to_be_plain(params: Params, scores: Scores) -> None:
    _run(params)
    key = "training.objectives.{}.alpha"
    found: dict[str, set[float]] = {}
    for title, trial in scores.asked:
        if title.endswith("tuning") and trial.label in {"SFT", UNWEIGHED_SFT.label, "RPO"}:
            found.setdefault(trial.label, set()).add(trial.values[key.format(trial.objective)])
    assert found["SFT"] == found["RPO"] == {one.alpha for one in draw_settings(params.study.quick)}
    assert found[UNWEIGHED_SFT.label] == {1.0}


def test_what_was_made_to_win_says_why_and_is_neither_published_nor_quick(params: Params, scores: Scores) -> None:
    assert all(method.hypothesis for method in HYPOTHESES)
    assert len({method.label for method in METHODS + HYPOTHESES}) == len(METHODS + HYPOTHESES)
    full = Study(params, "habits", jobs=1)
    choice = full.choose()
    assert list(choice.chosen) == [method.label for method in METHODS + HYPOTHESES]
    found = full.hold_out(choice, commit=None)
    assert [row.label for row in found.published] == [START, *(method.label for method in METHODS)]
    assert list(Study(params, "habits", jobs=1, quick=True).choose().chosen) == [method.label for method in METHODS]
    assert scores.asked


def test_other_regimes_have_what_comes_near_sft_and_whatever_is_named(params: Params, scores: Scores) -> None:
    contenders = [method.label for method in CONTENDERS]
    assert contenders[0] == REFERENCE
    assert {"RPO", "Target-RPO"} < set(contenders)
    assert {name for name, regime in REGIMES.items() if regime.methods != CONTENDERS} == {"habits"}
    assert list(Study(params, "scratch", jobs=1).choose().chosen) == contenders
    named = Study(params, "scratch", jobs=1, quick=True, only=["Fork-RPO", "GRPO"]).choose()
    assert list(named.chosen) == [REFERENCE, "GRPO", "Fork-RPO"]
    found = Study(params, "scratch", jobs=1).hold_out(named, commit=None)
    assert [row.label for row in found.tuned] == [START, *named.chosen], "all that was chosen, named again or not"
    assert scores.asked


def test_methods_that_were_not_chosen_take_no_part(params: Params, scores: Scores) -> None:
    whole = Study(params, "scratch", jobs=1, quick=True)
    choice = Study(params, "scratch", jobs=1, quick=True, only=["Target-RPO"]).choose()
    assert list(choice.chosen) == [REFERENCE, "Target-RPO"]
    found = whole.hold_out(choice, commit=None)
    assert [row.label for row in found.tuned] == [row.label for row in found.published] == [START, *choice.chosen]
    assert {trial.label for _, trial in scores.asked} == {START, *choice.chosen}


def test_grpo_answers_the_longer_the_more_pairs_others_have(params: Params, scores: Scores) -> None:
    _run(params)
    steps = {trial.values["study.grpo.steps"] for _, trial in scores.asked if trial.objective == GRPO}
    effort = params.study
    assert steps == {round(effort.grpo.steps * effort.quick.pairs / effort.full.pairs)}


def test_the_first_seed_at_its_own_configuration_is_looked_into(params: Params, scores: Scores) -> None:
    found = _run(params)
    looked = [trial for title, trial in scores.asked if trial.inside]
    assert [trial.label for trial in looked] == [START, *(method.label for method in METHODS)]
    assert {trial.values.get("training.seed") for trial in looked[1:]} == {params.training.seed + 1}
    assert {"as published" in title for title, trial in scores.asked if trial.inside} == {False}
    best = found.changes[REFERENCE]
    assert (best.fixed, best.broken) == (1, 0)
