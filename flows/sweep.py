"""Sweep: a grid of trainings, each with each seed a DVC experiment, and a table of their scores.

It happens in a git worktree: the checkout's own files stay as they are, and what one point computes the next one has
from DVC's cache. `dvc exp show` lists the points, `dvc exp apply NAME` brings one here.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.stage import RUN_VARIABLE
from iterpref_core.cli.libraries import set_up_libraries
from iterpref_core.config import Benchmark, Params, load_params, with_values
from iterpref_core.errors import ConfigError, IterPrefError, unknown_name
from iterpref_core.input_files import read_yaml
from iterpref_core.objectives.objectives import ObjectiveName, find_objective
from iterpref_core.records import Record
from iterpref_core.storage.jsonl import describe_validation_error
from tasks import child
from tasks.comparison import ComparisonRow, PointScore, compare_rows
from tasks.paths import RESULTS
from tasks.slots import visible_cards
from tasks.worktree import entered_worktree, set_objectives, set_values

PRESETS = Path("ablations.yaml")
BASE = "base"
"""Stands for no training."""
TUNE = "tune"


class SweepError(IterPrefError):
    """Some points failed; the others are kept."""


class Row(NamedTuple):
    """What to train and score: an objective, or `base`, with these parameters by dotted key."""

    label: str
    objective: str
    values: dict[str, Any]


class SweepResult(Record):
    """What a sweep showed: a row for each point, compared to the first, and the names of its DVC experiments."""

    benchmark: str
    rows: list[ComparisonRow]
    experiments: list[str]


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


def plan_rows(preset: str | None, objectives: Sequence[str], values: Mapping[str, Sequence[Any]]) -> list[Row]:
    """The points of a sweep, checked: the preset's rows, or else the objectives, at every combination of values.

    Raises:
        ConfigError: there is no such preset, objective or parameter, or a value is out of range.
    """
    params = load_params()
    plain = (Row(name, name, {}) for name in objectives)
    rows = list(_preset_rows(preset, objectives, params) if preset else plain)
    combined = [
        row._replace(label=" ".join([row.label, *_words(point)]), values=row.values | point)
        for point in (dict(zip(values, choice, strict=True)) for choice in product(*values.values()))
        for row in rows
    ]
    for row in combined:
        changed = with_values(params, row.values)
        if row.objective != BASE:
            find_objective(row.objective, changed.training.objectives)
    return combined


def _words(point: Mapping[str, Any]) -> list[str]:
    return [f"{key.rpartition('.')[2]}={value}" for key, value in point.items()]


def _preset_rows(preset: str, objectives: Sequence[str], params: Params) -> Iterator[Row]:
    presets = read_yaml(PRESETS, "run from the repository's root")
    if preset not in presets:
        raise ConfigError(f"{PRESETS}: {unknown_name('preset', preset, presets)}")
    try:
        if preset != TUNE:
            written = [_Written.model_validate(row) for row in presets[preset]]
            yield from (Row(row.label, row.objective, row.model_extra or {}) for row in written)
            return
        grid = _Tuning.model_validate(presets[TUNE])
    except ValidationError as error:
        raise ConfigError(f"{PRESETS}: {preset}: {describe_validation_error(error)}") from None
    for name in objectives or grid.objectives:
        row = find_objective(name, params.training.objectives)
        for alpha, rate in product(grid.alphas if row.nll_of else (row.alpha,), grid.learning_rates):
            point = {"learning_rate": rate, "alpha": alpha}
            values = {f"training.objectives.{name}.{key}": value for key, value in point.items()}
            yield Row(f"{name} lr={rate:g} alpha={alpha:g}", name, values)


@task(task_run_name="{name}", cache_policy=NO_CACHE, persist_result=False)
def run_point(name: str, row: Row, values: dict[str, Any]) -> PointScore:
    """Make one DVC experiment, and read what it scored on its only benchmark.

    Raises:
        SweepError: a stage failed.
    """
    log = get_run_logger()
    with entered_worktree("sweep"):
        set_values(values)
        if row.objective != BASE:
            set_objectives([row.objective])
        _dvc("exp", "remove", name)
        environment = dict(os.environ) | {RUN_VARIABLE: name, "PYTHONUNBUFFERED": "1"}
        if cards := visible_cards():  # one stage runs at a time; training spreads over all cards where it is told to
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(cards if load_params().training.accelerate else cards[:1])
        process = child.start([*_DVC, "exp", "run", "--name", name, f"evaluation@{row.objective}"], environment)
        lines = []
        try:
            for line in child.read_lines(process):
                lines.append(line)
                log.info("%s", line)
        finally:
            child.end(process)
        if process.returncode:
            reasons = [line for line in lines if line.lower().startswith("error: ")]
            raise SweepError(f"{name} ({row.label}): {(reasons or lines[-1:] or ['no output'])[0]}")
        found = json.loads((RESULTS / row.objective / "results.json").read_text(encoding="utf-8"))["benchmarks"]
        [entry] = found.values()
        return PointScore(pass_at_1=entry["pass_at_1"], n=entry["n"], passed=tuple(entry["passed"]))


_DVC = (sys.executable, "-m", "dvc")


def _dvc(*arguments: str) -> None:
    """A command whose failure means that there is nothing to do."""
    process = child.start([*_DVC, *arguments], os.environ)
    process.communicate()


@flow(name="sweep", persist_result=False)
def sweep(
    preset: str | None = None,
    objectives: tuple[ObjectiveName, ...] = ("sft", "dpo", "rpo", "target-dpo", "target-rpo"),
    values: dict[str, list[Any]] | None = None,
    benchmark: Benchmark = "validation",
    seeds: int = 1,
) -> SweepResult:
    """Train and score every point of a grid, and compare them to the first one.

    Points that are there already come from DVC's cache, and where one fails the others still run.

    Args:
        preset: of ablations.yaml: `tune`, or one of the paper's ablations; its rows say what is trained.
        objectives: to train, where no preset says so.
        values: parameters by dotted key, each with all the values that it takes.
        benchmark: to score on. To choose anything: `validation`, and never `heldout`.
        seeds: trainings of each point, from `training.seed` on.

    Raises:
        SweepError: a point failed.
    """
    set_up_libraries()
    params, log = load_params(), get_run_logger()
    rows = plan_rows(preset, objectives, values or {})
    log.info("%d points, %d trainings of each", len(rows), seeds)
    scores: dict[str, list[PointScore]] = {}
    experiments, failed = [], []
    for row in rows:
        for seed in range(params.training.seed, params.training.seed + (seeds if row.objective != BASE else 1)):
            chosen = row.values | {"training.seed": seed, "evaluation.benchmarks": [benchmark]}
            name = f"{preset or 'sweep'}-{_digest(row.objective, chosen)}"
            try:
                score = run_point(name, row, chosen)
            except SweepError as error:
                failed.append(str(error))
                continue
            experiments.append(name)
            scores.setdefault(row.label, []).append(score)
            log.info("%s, seed %d: %.1f%% of %s", row.label, seed, 100 * score.pass_at_1, benchmark)
    compared = compare_rows(scores, resamples=params.evaluation.bootstrap, seed=params.evaluation.seed)
    if compared:
        create_table_artifact(
            [row.model_dump(exclude={"scores"}) for row in compared], key="sweep", description=benchmark
        )
    if failed:
        raise SweepError(f"{len(failed)} points failed, and the others are kept: " + "; ".join(failed))
    return SweepResult(benchmark=benchmark, rows=compared, experiments=experiments)


def _digest(objective: str, values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([objective, values], sort_keys=True).encode()).hexdigest()[:8]
