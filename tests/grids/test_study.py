"""The study's starts, from made-up scores."""

from collections.abc import Sequence
from typing import Any

import pytest

from iterpref_core.config import Params
from tasks.grids import study
from tasks.grids.study import MAX_ROUNDS, saturate
from tasks.grids.trial import Trial, TrialScore


@pytest.mark.parametrize(("by_round", "rounds"), [([0.4, 0.5, 0.52, 0.51], 3), ([0.4, 0.4], 1), ([0.3] * 9, 1)])
def test_sft_goes_on_until_it_gains_nothing(
    params: Params, monkeypatch: pytest.MonkeyPatch, by_round: list[float], rounds: int
) -> None:
    best = 2

    def score(_: str, trials: Sequence[Trial], *__: Any) -> list[TrialScore]:
        """The third rate is the best of every round."""
        reached = by_round[len(trials[0].after)]
        return [
            TrialScore(pass_at_1=reached - 0.01 * abs(place - best), n=100, passed=()) for place in range(len(trials))
        ]

    monkeypatch.setattr(study, "run_trials", score)
    start = saturate(params, jobs=1)
    rate = params.study.learning_rates[best]
    assert start == (("sft", {"training.objectives.sft.learning_rate": rate}),) * rounds


def test_it_ends_even_if_every_round_gains(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    def score(_: str, trials: Sequence[Trial], *__: Any) -> list[TrialScore]:
        return [TrialScore(pass_at_1=0.1 * (1 + len(trials[0].after)), n=100, passed=()) for _ in trials]

    monkeypatch.setattr(study, "run_trials", score)
    assert len(saturate(params, jobs=1)) == MAX_ROUNDS
