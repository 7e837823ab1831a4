"""Sweep: a grid of trainings, each with each seed a DVC experiment, and a table of their scores.

It happens in a git worktree: the checkout's own files stay as they are, and what one point computes the next one has
from DVC's cache. `dvc exp show` lists the points, `dvc exp apply NAME` brings one here.
"""

import json
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from flows.prefect_session import leave_out_tracebacks
from iterpref_core.cli.libraries import set_up_libraries
from iterpref_core.config import Benchmark, load_params
from iterpref_core.errors import IterPrefError
from iterpref_core.objectives.objectives import ObjectiveName
from iterpref_core.records import Record
from tasks.comparison import ComparisonRow, PointScore, compare_rows
from tasks.dvc_graph import load_graph, select_stages
from tasks.grid import BASE, Row, plan_rows
from tasks.paths import RESULTS
from tasks.profiles import write_values
from tasks.recorded_run import add_results, recorded_run
from tasks.records import RUN_VARIABLE
from tasks.reproduction import Commands, StageError
from tasks.slots import visible_cards
from tasks.worktree import add_objective, entered_worktree


class SweepResult(Record):
    """What a sweep showed: a row for each point, compared to the first, and the names of its DVC experiments."""

    benchmark: str
    rows: list[ComparisonRow]
    experiments: list[str]


@task(task_run_name="{name}", cache_policy=NO_CACHE, persist_result=False)
def run_point(name: str, row: Row) -> PointScore:
    """Make one DVC experiment, and read what it scored on its only benchmark.

    Raises:
        IterPrefError: a stage failed.
    """
    say, commands = get_run_logger().info, Commands()
    with recorded_run("iterpref sweep", row.values, row.label) as record, entered_worktree("sweep"):
        write_values(row.values)
        if row.objective != BASE:
            add_objective(Path(), row.objective)
        environment = {RUN_VARIABLE: record.id}
        if cards := visible_cards():  # one stage runs at a time; training spreads over all cards where it is told to
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(cards if load_params().training.accelerate else cards[:1])
        try:
            commands.run(name, ("exp", "remove", name), environment, lambda _: None)
        except StageError:
            say("%s is new", name)
        target = f"evaluation@{row.objective}"
        try:
            ran = commands.run(name, ("exp", "run", "--name", name, target), environment, say)
        finally:
            commands.end()
        record.ran = [target] if ran else []
        add_results(record, select_stages(load_graph(), (target,)), Path())
        return _read_score(RESULTS / row.objective / "results.json")


def _read_score(results: Path) -> PointScore:
    [entry] = json.loads(results.read_text(encoding="utf-8"))["benchmarks"].values()
    return PointScore(pass_at_1=entry["pass_at_1"], n=entry["n"], passed=tuple(entry["passed"]))


@flow(name="sweep", persist_result=False)
def sweep(
    preset: str | None = None,
    objectives: tuple[ObjectiveName, ...] = ("sft", "dpo", "rpo", "target-dpo", "target-rpo"),
    values: dict[str, list[Any]] | None = None,
    benchmark: Benchmark = "validation",
    seeds: int = 1,
) -> SweepResult:
    """Train and score every point of a grid, and compare each to the first.

    Finished points come from DVC's cache. If a point fails, the others still run.

    Args:
        preset: a grid of ablations.yaml: `tune`, or one of the paper's ablations.
        objectives: objectives to train, unless the preset names them.
        values: parameters by dotted key, each with the list of its values.
        benchmark: benchmark to score on. Choose settings on `validation`, never on `heldout`.
        seeds: number of trainings for each point; seeds count up from `training.seed`.

    Raises:
        StageError: a point failed.
    """
    set_up_libraries()
    leave_out_tracebacks()
    params, log = load_params(), get_run_logger()
    rows = plan_rows(params, preset, objectives, values or {})
    log.info("%d points, %d trainings of each", len(rows), seeds)
    scores: dict[str, list[PointScore]] = {}
    experiments, failed = [], []
    for row in rows:
        for seed in range(params.training.seed, params.training.seed + (seeds if row.objective != BASE else 1)):
            point = row._replace(values=row.values | {"training.seed": seed, "evaluation.benchmarks": [benchmark]})
            name = f"{preset or 'sweep'}-{point.digest()}"
            try:
                score = run_point(name, point)
            except IterPrefError as error:
                failed.append(f"{row.label}: {error}")
                continue
            experiments.append(name)
            scores.setdefault(row.label, []).append(score)
            log.info("%s, seed %d: %.1f%% of %s", row.label, seed, 100 * score.pass_at_1, benchmark)
    compared = compare_rows(scores, resamples=params.evaluation.bootstrap, seed=params.evaluation.seed)
    table = [row.model_dump(exclude={"scores"}) for row in compared]
    create_table_artifact(table, key="sweep", description=f"pass@1 of {benchmark}, compared to the first row")
    if failed:
        raise StageError(f"{len(failed)} trainings failed, the others are kept: {'; '.join(failed)}")
    return SweepResult(benchmark=benchmark, rows=compared, experiments=experiments)
