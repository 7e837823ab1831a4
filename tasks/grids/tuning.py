"""Choose learning rate and alpha of every objective from one grid, on the validation split.

A shared setting would decide the comparison by itself: what suits one objective ruins another (docs/tuning.md).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from iterpref_core.config import Params
from iterpref_core.objectives.objectives import ObjectiveName, find_objective
from tasks.grids.trial import Trial, TrialScore, run_trials


def grid(objective: ObjectiveName, params: Params) -> list[Trial]:
    """The points of one objective: every learning rate, with every alpha where the objective has an NLL.

    Without one alpha is 0. SFT, whose NLL is its only term, has a choice too: an adaptive optimizer would not see the
    scale of a loss, but gradients are clipped, and only those that alpha makes large are.
    """
    row = find_objective(objective, params.training.objectives)
    alphas = params.tune.alphas if row.nll else (row.alpha,)
    return [
        Trial(label=f"{objective} lr={rate:g} alpha={alpha:g}", objective=objective, values=at(objective, rate, alpha))
        for alpha in alphas
        for rate in params.tune.learning_rates
    ]


def count_trainings(objectives: Iterable[ObjectiveName], params: Params) -> str:
    """How many trainings the grids of objectives are, in words."""
    sizes = {objective: len(grid(objective, params)) for objective in objectives}
    return f"{sum(sizes.values())} trainings ({', '.join(f'{name} {size}' for name, size in sizes.items())})"


def at(objective: ObjectiveName, learning_rate: float, alpha: float | None = None) -> dict[str, Any]:
    """A point of the grid as parameters; without an alpha that of params.yaml stays."""
    values = {f"training.objectives.{objective}.learning_rate": learning_rate}
    return values if alpha is None else values | {f"training.objectives.{objective}.alpha": alpha}


def tune(params: Params, objectives: Sequence[ObjectiveName], jobs: int) -> list[tuple[Trial, TrialScore]]:
    """Train and score every point of the objectives' grids; finished points of an earlier run are kept.

    Args:
        params: all parameters; `params.tune` is the grid.
        objectives: which ones.
        jobs: trials at once, sharing the cores.

    Returns:
        The trials with their scores, in the order of the grid.

    Raises:
        InputError: pairs, spans, model or problems are not there; run stage `localization` first.
    """
    trials = [trial for objective in objectives for trial in grid(objective, params)]
    return list(zip(trials, run_trials("tune", trials, params, jobs), strict=True))


def best_of(scored: Iterable[tuple[Trial, TrialScore]]) -> Mapping[ObjectiveName, Trial]:
    """For every objective the trial with the highest score; of equals the first in the grid."""
    best: dict[ObjectiveName, tuple[Trial, TrialScore]] = {}
    for trial, score in scored:
        assert trial.objective is not None
        if trial.objective not in best or score.pass_at_1 > best[trial.objective][1].pass_at_1:
            best[trial.objective] = trial, score
    return {objective: trial for objective, (trial, _) in best.items()}
