"""Score models, and compare them on the same problems, over the seeds that each was trained with."""

from collections.abc import Sequence
from math import hypot
from statistics import mean
from typing import Any, NamedTuple

import numpy as np

from iterpref_core.records import Measured, ScoreRecord

from .comparison import SIGNIFICANT, ScoreDifference
from .paired_tests import compare_shares, kept_of, with_two_opposite
from .pass_at_k import share_interval, shares_passed, task_scores

SEEDS_FOR_P = 3
"""The smallest number of a model's seeds with a p-value that holds.

Between equal models it is below 0.05 in at most 6% of draws (`test_coverage.py`), with two seeds in up to 10%.
"""
_SMALLEST_P = 1e-12


class _Error(NamedTuple):
    """The standard error of a mean that one kind of chance gives it, and the degrees of freedom that it is known by."""

    size: float
    freedom: int

    def half_width(self, p_value: float) -> float:
        """Return half the width of Student's interval at a level: 0.05 for 95%."""
        from scipy.stats import t  # type: ignore[import-untyped]

        return float(self.size * t.isf(p_value / 2, self.freedom)) if self.size else 0.0


def compare_seeds(left: Sequence[Measured], right: Sequence[Measured]) -> ScoreDifference | None:
    """Return the difference of two models' mean pass@1; None if they share no problem.

    One training of each is compared problem by problem (`compare_shares`), several by `compare_scores`.
    """
    passed = [[shares_passed(seed.verdicts) for seed in side] for side in (left, right)]
    if len(left) == len(right) == 1:
        return compare_shares(passed[0][0], passed[1][0])
    return compare_scores(*_on_shared_problems(passed))


def compare_scores(ours: np.ndarray, theirs: np.ndarray) -> ScoreDifference | None:
    """Return the difference of two models' mean scores over problems and seeds; None without a problem.

    The difference has an interval over other problems (they are paired), and one over other seeds for each side. The
    squares of their half-widths add up (Zou and Donner 2008); the p-value is the level whose interval ends at 0.
    An exact test of the problems alone would not know of the seeds. A side of one training, such as a base model, adds
    no chance of seeds. What is kept counts a problem by its mean share over the seeds; its interval is over problems.

    Args:
        ours: a score from 0 to 1 for each seed and problem: (seeds, problems).
        theirs: the same of the other model, on the same problems.
    """
    effects = ours.mean(axis=0) - theirs.mean(axis=0)
    n = len(effects)
    if not n:
        return None
    difference = float(effects.mean())
    errors = [
        _Error(float(with_two_opposite(effects).std()) / n**0.5, max(n - 1, 1)),
        _of_seeds(ours),
        _of_seeds(theirs),
    ]
    half = _half_width(errors, SIGNIFICANT)
    return ScoreDifference(
        n=n,
        difference=difference,
        ci95=(max(difference - half, -1.0), min(difference + half, 1.0)),
        p_value=None if {len(ours), len(theirs)} & {*range(2, SEEDS_FOR_P)} else _p_value(errors, abs(difference)),
        kept=kept_of(ours.mean(axis=0), theirs.mean(axis=0)),
    )


def score_seeds(seeds: Sequence[Measured]) -> ScoreRecord:
    """Return the mean scores of several trainings, each with an interval over other problems and other seeds.

    Args:
        seeds: at least two, which share a problem.
    """
    fields: dict[str, Any] = {"pass_at_1": mean(seed.pass_at_1 for seed in seeds)}
    fields["n"], fields["ci95"] = _score([shares_passed(seed.verdicts) for seed in seeds])
    for k in seeds[0].of_other_k:
        if all(k in seed.of_other_k for seed in seeds):
            name = f"pass_at_{k}"
            fields[name] = mean(seed.of_other_k[k].score for seed in seeds)
            fields[f"{name}_n"], fields[f"{name}_ci95"] = _score([task_scores(seed.verdicts, k) for seed in seeds])
    return ScoreRecord.model_validate(fields)


def _score(seeds: Sequence[dict[str, float]]) -> tuple[int, tuple[float, float]]:
    """Return the number of problems that all seeds have a score of, and the interval of the mean score."""
    [scores] = _on_shared_problems([seeds])
    center = float(scores.mean())
    low, high = share_interval(scores.mean(axis=0))
    half = _of_seeds(scores).half_width(SIGNIFICANT)
    low, high = center - hypot(center - low, half), center + hypot(high - center, half)
    return scores.shape[1], (max(low, 0.0), min(high, 1.0))


def _on_shared_problems(sides: Sequence[Sequence[dict[str, float]]]) -> list[np.ndarray]:
    """Return of each side the scores on the problems of all: (seeds, problems)."""
    tasks = sorted(set.intersection(*(set(scores) for side in sides for scores in side)))
    return [np.array([[scores[task] for task in tasks] for scores in side]) for side in sides]


def _of_seeds(scores: np.ndarray) -> _Error:
    """Return the error of a mean by its seeds: what they scatter beyond the chance of each problem.

    Args:
        scores: (seeds, problems).
    """
    seeds, n = scores.shape
    if seeds == 1:
        return _Error(0.0, 1)
    of_seeds = scores.mean(axis=1)
    # What neither the seed nor the problem explains: seeds without an effect scatter by its share.
    rest = scores - of_seeds[:, None] - scores.mean(axis=0) + scores.mean()
    chance = (rest**2).sum() / ((seeds - 1) * max(n - 1, 1) * n)
    return _Error(float(np.sqrt(max(of_seeds.var(ddof=1) - chance, 0.0) / seeds)), seeds - 1)


def _half_width(errors: Sequence[_Error], p_value: float) -> float:
    return hypot(*(error.half_width(p_value) for error in errors))


def _p_value(errors: Sequence[_Error], difference: float) -> float:
    """Return the level whose interval of a difference reaches 0."""
    from scipy.optimize import brentq  # type: ignore[import-untyped]

    def beyond(p_value: float) -> float:
        return _half_width(errors, p_value) - difference

    return float(brentq(beyond, _SMALLEST_P, 1.0)) if beyond(_SMALLEST_P) > 0 else _SMALLEST_P
