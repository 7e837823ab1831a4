"""Plan the points of a sweep, from a preset of config/ablations.yaml or from values on a command line."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iterpref_core.problems.composition.problem_splits import has_problems
from iterpref_core.records import (
    BenchmarkName,
    ConfigError,
    Params,
    is_unread,
    read_yaml,
    unknown_name,
    with_lines,
    with_values,
)
from iterpref_core.storage.jsonl import describe_validation_error
from iterpref_core.storage.own_pairs import has_pairs
from iterpref_core.training.objectives.objective_settings import settings_of
from tasks.stages import trained_objectives

from .changed_values import describe_values
from .paths import INGESTED, OWN_PAIRS

PRESETS = Path("config/ablations.yaml")
BASE = "base"
"""The name of a row without a training."""
CHOSEN_ON = "validation"
"""Grids that choose a setting score on this benchmark, which must not measure the result."""


class SweepRow(NamedTuple):
    """A training and its score: an objective, or `base`, with parameters by dotted key."""

    label: str
    objective: str
    values: dict[str, Any]


class _Written(BaseModel):
    """A row of a preset, as it is written."""

    model_config = ConfigDict(extra="allow")

    label: str
    objective: str


class _Choice(BaseModel):
    """A preset that chooses a setting of each objective, such as `tune`: learning rates, and alphas if it has an NLL.

    Attributes:
        objectives: names.
        learning_rates: the same for all; or else
        factors: multiples of each objective's own learning rate, for any model and profile.
        alphas: none: each objective's own.
    """

    model_config = ConfigDict(extra="forbid")

    objectives: list[str] = Field(min_length=1)
    learning_rates: list[Annotated[float, Field(gt=0)]] = []
    factors: list[Annotated[float, Field(gt=0)]] = []
    alphas: list[float] = []

    def rows(self, name: str, params: Params) -> Iterator[SweepRow]:
        """Yield a row of an objective for each rate and alpha."""
        resolved = settings_of(name, params.training)
        # 3e-05, and not 3.0000000000000004e-05
        rates = self.learning_rates or [float(f"{factor * resolved.learning_rate:.3g}") for factor in self.factors]
        alphas: list[float | None] = [None]
        if resolved.row.nll_of and self.alphas:
            alphas = list(self.alphas)
        for alpha, rate in product(alphas, rates):
            label = f"{name} lr={rate:g}"
            values = {f"training.objectives.{name}.learning_rate": rate}
            if alpha is not None:
                label += f" alpha={alpha:g}"
                values[f"training.objectives.{name}.alpha"] = alpha
            yield SweepRow(label, name, values)


def plan_rows(
    params: Params, preset: str | None, objectives: Sequence[str], values: Mapping[str, Sequence[Any]]
) -> list[SweepRow]:
    """Return the points of a sweep: the preset's rows, or else the objectives, at every combination of values.

    Objectives sft and dpo at {"training.beta": [0.1, 0.3]} are four points. Without objectives they are the preset's,
    or the experiment's.

    A row has the values that its objective reads: sft at two betas is one point.

    Raises:
        ConfigError: a preset, objective or parameter is unknown, no objective reads a parameter, or a value is out of
            range.
    """
    if preset:
        rows = list(_preset_rows(preset, objectives, params))
    else:
        rows = [SweepRow(name, name, {}) for name in objectives or trained_objectives()]
    if empty := [key for key, listed in values.items() if not listed]:
        raise ConfigError(f"{', '.join(empty)}: has no values; a sweep needs at least one")
    for key in values:
        if not any(_reads(row.objective, key) for row in rows):
            names = ", ".join(dict.fromkeys(row.objective for row in rows))
            raise ConfigError(f"{key}: has no effect on {names}; leave it out")
    combined: list[SweepRow] = []
    # Two objectives at two betas and three rates are twelve points.
    for choice in product(*values.values()):
        point = dict(zip(values, choice, strict=True))
        for row in rows:
            own = {key: value for key, value in point.items() if _reads(row.objective, key)}
            label = f"{row.label} {describe_values(own)}".strip()
            combined.append(row._replace(label=label, values=with_lines(row.values | own, [row.objective])))
    combined = [row for place, row in enumerate(combined) if row not in combined[:place]]
    for row in combined:
        if "evaluation.benchmarks" in row.values:
            raise ConfigError("evaluation.benchmarks: a sweep scores every point on one benchmark; use --benchmark")
        with_values(params, row.values)
    return combined


def _reads(objective: str, key: str) -> bool:
    """Return True if a parameter changes a row of this objective; `base` has no training.

    What is outside of `training` changes the pairs: `localization.empty: drop` leaves some out.
    """
    return not key.startswith("training.") or (objective != BASE and not is_unread(key, objective))


def _read_preset(name: str) -> Any:
    """Return a preset of config/ablations.yaml.

    Raises:
        ConfigError: the preset is unknown.
    """
    presets = read_yaml(PRESETS, "run from the repository's root")
    if name not in presets:
        raise ConfigError(f"{PRESETS}: {unknown_name('preset', name, presets)}")
    return presets[name]


def _preset_rows(preset: str, objectives: Sequence[str], params: Params) -> Iterator[SweepRow]:
    content = _read_preset(preset)
    try:
        if isinstance(content, Mapping):
            choice = _Choice.model_validate(content)
            for name in objectives or choice.objectives:
                yield from choice.rows(name, params)
            return
        for written in content:
            row = _Written.model_validate(written)
            yield SweepRow(row.label, row.objective, row.model_extra or {})
    except ValidationError as error:
        raise ConfigError(f"{PRESETS}: {preset}: {describe_validation_error(error)}") from None


def choose_benchmark(preset: str | None, benchmark: BenchmarkName | None, params: Params) -> BenchmarkName:
    """Return the benchmark that scores the points: by default the validation split.

    An experiment on the user's own pairs may have no problem of that split; the first of its benchmarks scores then.

    Args:
        preset: the sweep's preset.
        benchmark: the benchmark that the user names.
        params: of the experiment.

    Raises:
        ConfigError: a grid that chooses settings would score on problems that also measure the result.
    """
    if benchmark is None and has_pairs(OWN_PAIRS) and not has_problems(CHOSEN_ON, params.problems, INGESTED):
        return params.evaluation.benchmarks[0]
    benchmark = benchmark or CHOSEN_ON
    if preset and benchmark != CHOSEN_ON and isinstance(_read_preset(preset), Mapping):
        raise ConfigError(
            f"--benchmark {benchmark}: {preset} chooses settings, and a score on the problems that chose them does "
            f"not hold for others; leave the option out: points are scored on the split {CHOSEN_ON}"
        )
    return benchmark
