"""Grid: the points of a sweep, from a preset of ablations.yaml or from values on a command line."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iterpref_core.config import Params, with_values
from iterpref_core.errors import ConfigError, InputError, unknown_name
from iterpref_core.input_files import read_yaml
from iterpref_core.objectives.objective_table import find_objective, find_rates
from iterpref_core.problems.problems import read_ingested
from iterpref_core.storage.jsonl import describe_validation_error
from tasks.dotted_keys import short_names

PRESETS = Path("ablations.yaml")
BASE = "base"
"""Stands for no training."""
OBJECTIVES_OF_THE_EXPERIMENT = ("sft", "dpo", "rpo", "target-dpo", "target-rpo")
TUNE = "tune"
RATES = "rates"
CHOSEN_ON = "validation"
"""The benchmark on which `tune` and `rates` score: what chooses a setting must not measure it."""


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


class _Rates(BaseModel):
    """The preset `rates`: multiples of each objective's own learning rate, whatever model and profile it is for."""

    model_config = ConfigDict(extra="forbid")

    objectives: list[str] = Field(min_length=1)
    factors: list[Annotated[float, Field(gt=0)]] = Field(min_length=1)


def plan_rows(
    params: Params, preset: str | None, objectives: Sequence[str], values: Mapping[str, Sequence[Any]]
) -> list[Row]:
    """Return the points of a sweep: the preset's rows, or else the objectives, at every combination of values.

    Objectives sft and dpo at {"training.beta": [0.1, 0.3]} are four points. Without objectives they are the preset's,
    or those that the experiment trains.

    Raises:
        ConfigError: there is no such preset, objective or parameter, or a value is out of range.
    """
    if preset:
        rows = list(_preset_rows(preset, objectives, params))
    else:
        rows = [Row(name, name, {}) for name in objectives or OBJECTIVES_OF_THE_EXPERIMENT]
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
        if preset == RATES:
            yield from _rate_rows(_Rates.model_validate(presets[RATES]), objectives, params)
            return
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


def _rate_rows(grid: _Rates, objectives: Sequence[str], params: Params) -> Iterator[Row]:
    """Yield a row for each objective and rate."""
    for name in objectives or grid.objectives:
        find_objective(name, params.training.objectives)
        own, _ = find_rates(name, params.training.objectives)
        for factor in grid.factors:
            rate = float(f"{factor * own:.3g}")  # 3e-05, and not 3.0000000000000004e-05
            yield Row(f"{name} lr={rate:g}", name, {f"training.objectives.{name}.learning_rate": rate})


def check_choice(preset: str | None, benchmark: str, params: Params, ingested: Path) -> None:
    """Refuse to choose settings on problems that also measure the result, or on none.

    Args:
        preset: that of the sweep.
        benchmark: the one that points are scored on.
        params: of the experiment.
        ingested: the folder of the user's own problems.

    Raises:
        ConfigError: `tune` or `rates` would score on another benchmark than the validation split.
        InputError: no problem is of that split.
    """
    if preset in (TUNE, RATES) and benchmark != CHOSEN_ON:
        raise ConfigError(
            f"--benchmark {benchmark}: {preset} chooses settings, and a score on the problems that chose them says "
            f"nothing about others; leave the option out: points are scored on the split {CHOSEN_ON}"
        )
    if benchmark != CHOSEN_ON or params.problems.validation:
        return
    if all(problem.split != CHOSEN_ON for problem in read_ingested(ingested, set())):
        raise InputError(
            f"{ingested}: no problem of the split {CHOSEN_ON}, on which a sweep scores its points; give some of your "
            f'problems "split": "{CHOSEN_ON}" (docs/tuning.md)'
        )
