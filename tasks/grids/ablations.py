"""Ablations: the grids of ablations.yaml."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from iterpref_core.config import Params, with_values
from iterpref_core.errors import ConfigError
from iterpref_core.input_files import read_yaml
from iterpref_core.objectives.objectives import find_objective
from iterpref_core.storage.jsonl import describe_validation_error
from tasks.grids.comparison import ComparisonRow, compare_rows
from tasks.grids.trial import Trial, TrialScore, run_trials

ABLATIONS = Path("ablations.yaml")
BASE = "base"
"""Stands for no training."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="allow")

    label: str
    objective: str


def load_grid(name: str, params: Params, path: Path = ABLATIONS) -> list[Trial]:
    """The rows of one grid, checked.

    Raises:
        InputError: the file cannot be read.
        ConfigError: there is no such grid, or a row names an objective or a parameter that does not exist.
    """
    grids = read_yaml(path, "run from the repository's root")
    if not isinstance(grids, dict) or not isinstance(grids.get(name), list) or not grids[name]:
        known = ", ".join(grids) if isinstance(grids, dict) else "none"
        raise ConfigError(f"{path}: there is no grid {name!r}; available: {known}")
    return [_parse_row(row, params, f"{path}: {name}: row {number}") for number, row in enumerate(grids[name], 1)]


def _parse_row(row: Any, params: Params, where: str) -> Trial:
    try:
        parsed = _Row.model_validate(row)
    except ValidationError as error:
        raise ConfigError(f"{where}: {describe_validation_error(error)}") from None
    values = parsed.model_extra or {}
    try:
        changed = with_values(params, values)
        if parsed.objective != BASE:
            find_objective(parsed.objective, changed.training.objectives)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    return Trial(label=parsed.label, objective=None if parsed.objective == BASE else parsed.objective, values=values)


def run_grid(
    name: str, rows: Sequence[Trial], params: Params, split: str, seeds: int, jobs: int
) -> list[ComparisonRow]:
    """Train and score every row with several seeds; what an earlier run finished is kept.

    Args:
        name: of the grid.
        rows: of `load_grid`.
        params: of the experiment; its `training.seed` is the first seed.
        split: `validation` or `heldout`.
        seeds: trainings per row.
        jobs: trials at once.

    Returns:
        Each row's scores, and how it compares to the first one on the same problems.
    """
    trials = [
        row.model_copy(update={"split": split, "values": row.values | {"training.seed": params.training.seed + number}})
        for row in rows
        for number in range(seeds if row.objective else 1)
    ]
    scores: dict[str, list[TrialScore]] = {}
    for trial, score in zip(trials, run_trials(f"ablation {name}", trials, params, jobs), strict=True):
        scores.setdefault(trial.label, []).append(score)
    return compare_rows(
        scores, against=rows[0].label, resamples=params.evaluation.bootstrap, seed=params.evaluation.seed
    )
