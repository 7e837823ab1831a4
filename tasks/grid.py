"""Grid: the points of a sweep, from a preset of ablations.yaml or from values on a command line."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iterpref_core.config import Params, with_values
from iterpref_core.errors import ConfigError, unknown_name
from iterpref_core.input_files import read_yaml
from iterpref_core.objectives.objective_table import ObjectiveName, find_objective
from iterpref_core.storage.jsonl import describe_validation_error
from tasks.dotted_keys import short_names

PRESETS = Path("ablations.yaml")
BASE = "base"
"""Stands for no training."""
TUNE = "tune"
OBJECTIVES: tuple[ObjectiveName, ...] = ("sft", "dpo", "rpo", "target-dpo", "target-rpo")
"""The objectives of dvc.yaml, which a sweep trains where it is told none."""


class Row(NamedTuple):
    """A training and its score: an objective, or `base`, with parameters by dotted key."""

    label: str
    objective: str
    values: dict[str, Any]

    def digest(self) -> str:
        """Return a digest of objective and values: rows with equal digests are one experiment."""
        text = json.dumps([self.objective, self.values], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


class _Written(BaseModel):
    """A row of a preset."""

    model_config = ConfigDict(extra="allow")

    label: str
    objective: str


class _Tuning(BaseModel):
    """The preset `tune`: learning rates and alphas of every objective; without an NLL alpha stays 0."""

    model_config = ConfigDict(extra="forbid")

    objectives: list[str] = Field(min_length=1)
    learning_rates: list[float] = Field(min_length=1)
    alphas: list[float] = Field(min_length=1)


def plan_rows(
    params: Params, preset: str | None, objectives: Sequence[str], values: Mapping[str, Sequence[Any]]
) -> list[Row]:
    """Return the points of a sweep: the preset's rows, or else the objectives, at every combination of values.

    Objectives sft and dpo at {"training.beta": [0.1, 0.3]} are four points.

    Raises:
        ConfigError: there is no such preset, objective or parameter, or a value is out of range.
    """
    if preset:
        rows = list(_preset_rows(preset, objectives, params))
    else:
        rows = [Row(name, name, {}) for name in objectives]
    combined = []
    for choice in product(*values.values()):
        point = dict(zip(values, choice, strict=True))
        for row in rows:
            label = " ".join([row.label, *describe_values(point)])
            combined.append(row._replace(label=label, values=row.values | point))
    for row in combined:
        if "evaluation.benchmarks" in row.values:
            raise ConfigError("evaluation.benchmarks: a sweep scores every point on one benchmark; use --benchmark")
        changed = with_values(params, row.values)
        if row.objective != BASE:
            find_objective(row.objective, changed.training.objectives)
    return combined


def describe_values(values: Mapping[str, Any]) -> list[str]:
    """Return a word for each parameter.

    >>> describe_values({"training.beta": 0.3})
    ['beta=0.3']
    """
    names = short_names(values)
    return [f"{names[key]}={value}" for key, value in values.items()]


def _preset_rows(preset: str, objectives: Sequence[str], params: Params) -> Iterator[Row]:
    presets = read_yaml(PRESETS, "run from the repository's root")
    if preset not in presets:
        raise ConfigError(f"{PRESETS}: {unknown_name('preset', preset, presets)}")
    try:
        if preset != TUNE:
            for written in presets[preset]:
                row = _Written.model_validate(written)
                yield Row(row.label, row.objective, row.model_extra or {})
            return
        grid = _Tuning.model_validate(presets[TUNE])
    except ValidationError as error:
        raise ConfigError(f"{PRESETS}: {preset}: {describe_validation_error(error)}") from None
    for name in objectives or grid.objectives:
        objective = find_objective(name, params.training.objectives)
        # Without an NLL term there is nothing that alpha could weigh.
        alphas = grid.alphas if objective.nll_of else (0.0,)
        for alpha, rate in product(alphas, grid.learning_rates):
            values = {
                f"training.objectives.{name}.learning_rate": rate,
                f"training.objectives.{name}.alpha": alpha,
            }
            yield Row(f"{name} lr={rate:g} alpha={alpha:g}", name, values)
