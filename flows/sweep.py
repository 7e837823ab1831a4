"""Train the points of a grid as DVC experiments, and compare their scores.

Each point runs in its own git worktree, with the checkout's files as they were when the sweep began. The user's files
never change, and later edits do not reach a point. `dvc exp show` lists the points; `dvc exp apply NAME` applies one to
the checkout.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from flows.display import Say, Terminal
from flows.scheduler import run_graph
from iterpref_core.evaluation.evaluation.results_file import load_model_results
from iterpref_core.evaluation.report.standings import Standings, row_to_json
from iterpref_core.records import (
    BenchmarkName,
    CodeflowResult,
    EvaluationParams,
    InputError,
    IterPrefError,
    ModelResults,
    PairsResult,
    Params,
    TrainingResult,
    digest_of,
    load_params,
    with_values,
)
from tasks.dvc.commands import Commands, StageError, Times
from tasks.dvc.graph import load_graph
from tasks.early_checks import check_early
from tasks.git.command import check_identity
from tasks.git.worktree import Snapshot, take_snapshot, worktree_of
from tasks.grid import BASE, SweepRow, choose_benchmark, plan_rows
from tasks.mlflow.entry import begin_entry
from tasks.mlflow.sync import logged_command
from tasks.paths import PARAMS, RESULTS
from tasks.profiles import write_values
from tasks.stages import add_objective, codeflow, evaluation, pairs, training


class SweepResult(NamedTuple):
    """The scores of the points of a sweep, compared with the first, and the names of its DVC experiments."""

    standings: Standings
    experiments: list[str]


class FailedPointsError(StageError):
    """Some points of a sweep failed.

    Attributes:
        result: the scores of the other points.
    """

    def __init__(self, message: str, result: SweepResult) -> None:
        super().__init__(message)
        self.result = result


class RefusedPointsError(FailedPointsError, InputError):
    """Points of a sweep failed, all because of their input or parameters. Exit code 2."""


class PointResult(NamedTuple):
    """The scores of a point, and the pairs that it was trained on, in words; "" without a training on pairs."""

    scores: ModelResults
    pairs: str


class Sweep(NamedTuple):
    """The settings, files and locks that all points of a sweep share.

    Attributes:
        snapshot: the user's files.
        params: the user's parameters.
        commands: the commands under way.
        preparing: held by the point that brings the stages before its training up to date. So a stage that several
            points need is computed once, and the other points find its outputs in DVC's cache.
        page: the address of the sweep's page; empty without a page.
    """

    snapshot: Snapshot
    params: Params
    commands: Commands
    preparing: Lock
    page: str


def run_point(name: str, row: SweepRow, share: dict[str, str], work: Sweep, say: Say) -> PointResult:
    """Train and score one point, save it as a DVC experiment, and return its result on its only benchmark.

    Args:
        name: name of its DVC experiment and its worktree.
        row: objective and values, among them seed and benchmark.
        share: environment variables for its share of the cores.
        work: the sweep.
        say: prints one line.

    Raises:
        IterPrefError: a stage failed.
    """
    params = with_values(work.params, row.values)
    objective = row.objective
    target = evaluation.STAGE.at(objective)
    source = work.snapshot.source.with_values(row.values)
    with (
        logged_command(begin_entry("iterpref sweep", params, source, row.label, work.page)) as entry,
        worktree_of(work.snapshot, name, say, remove=True) as folder,
    ):
        if objective != BASE:
            add_objective(folder, objective)
        write_values(row.values, folder / PARAMS)
        graph = load_graph(folder, (target,))
        # Stages that other points need as well, which are those before the training.
        before = [stage for stage in graph if stage not in (training.STAGE.at(objective), target)]
        times: dict[str, Times] = {}
        if before:
            with work.preparing:
                times |= work.commands.run(name, ("repro", *before), share, say, folder)
        times |= work.commands.run(name, ("repro", target), share, say, folder)
        work.commands.save_experiment(name, target, share, folder)
        entry.add(graph, times, folder)
        trained_on = _read_pairs(folder, objective) if pairs.STAGE.name in graph else ""
        return PointResult(_read_results(folder / RESULTS / objective), trained_on)


def _read_pairs(folder: Path, objective: str) -> str:
    """Return how many pairs a point was trained on, and of how many: `23 pairs (own pairs 23 of 234 in mine)`."""
    from iterpref_core.evaluation.report.summary import load_result, pair_figures

    trained = load_result(folder / training.STAGE.metrics_path(objective), TrainingResult).pairs
    drafted = load_result(folder / codeflow.STAGE.metrics_path(), CodeflowResult)
    chosen = pair_figures(drafted, load_result(folder / pairs.STAGE.metrics_path(), PairsResult))
    return f"{trained:,} pairs ({'; '.join(f'{name} {text}' for name, text in chosen)})"


def _read_results(folder: Path) -> ModelResults:
    results = load_model_results(folder)
    for benchmark, reason in results.unavailable.items():
        raise InputError(f"{benchmark} is not measured: {reason}; choose another --benchmark")
    return results


def run_sweep(
    preset: str | None,
    objectives: Sequence[str],
    values: Mapping[str, Sequence[Any]],
    benchmark: BenchmarkName | None,
    seeds: int,
    jobs: int,
    display: Terminal,
) -> SweepResult:
    """Train and score every point of a grid, and compare each to the first.

    Finished points come from DVC's cache. If a point fails, the others still run.

    Args:
        preset: a grid of config/ablations.yaml.
        objectives: objectives to train; by default the preset's or the experiment's.
        values: parameters by dotted key, each with the list of its values.
        benchmark: benchmark to score on; None: see `choose_benchmark`.
        seeds: number of trainings for each point; seeds count up from the point's `training.seed`.
        jobs: number of points at the same time.
        display: where the run is shown.

    Raises:
        RefusedPointsError: points failed, all because of their input or parameters.
        FailedPointsError: a point failed for another reason.
        InputError: the grid is wrong, or git does not know the user.
    """
    from iterpref_core.evaluation.scoring.leaderboard import rank_models  # an experiment also loads this file

    check_identity()
    params = load_params()
    rows = plan_rows(params, preset, objectives, values)
    benchmark = choose_benchmark(preset, benchmark, params)
    measured: list[EvaluationParams] = []
    for row in rows:
        of_point = with_values(params, row.values | {"evaluation.benchmarks": [benchmark]})
        stages = [] if row.objective == BASE else [training.STAGE.at(row.objective)]
        if of_point.evaluation not in measured:  # to open a benchmark takes a second
            measured.append(of_point.evaluation)
            stages.append(evaluation.STAGE.at(row.objective))
        check_early(stages, of_point)
    display.say(f"{len(rows)} points, {seeds} trainings of each, scored on {benchmark}")
    snapshot = take_snapshot(display.say)
    planned = [
        (row.label, *point)
        for row in rows
        for point in plan_points(row, preset, benchmark, seeds, params, snapshot.source.state).items()
    ]
    points = {name: point for _, name, point in planned}
    work = Sweep(snapshot, params, Commands(), Lock(), display.page())

    def run(name: str, share: dict[str, str]) -> PointResult:
        row = points[name]
        return display.show(f"{row.label} ({name})", (), partial(run_point, name, row, share, work))

    graph: dict[str, tuple[str, ...]] = dict.fromkeys(points, ())  # no point waits for another one
    with work.commands.forking(2 * len(points)):  # a training and an evaluation
        outcomes = run_graph(graph, jobs, run, work.commands.end)
    scores: dict[str, list[ModelResults]] = {}  # a row is missing if all its points failed
    trained: dict[str, dict[str, None]] = {}
    failed = []
    experiments = []
    for label, name, _ in planned:
        try:
            point = outcomes[name].result()
        except IterPrefError as error:
            failed.append(error)
            display.say(f"{label}: {error}")
        else:
            scores.setdefault(label, []).append(point.scores)
            trained.setdefault(point.pairs, {})[label] = None
            experiments.append(name)
    standings = rank_models(scores, [benchmark])
    trained.pop("", None)
    notes = [
        f"Trained on {text}{': ' + ', '.join(labels) if len(trained) > 1 else ''}." for text, labels in trained.items()
    ]
    standings = replace(standings, notes=[*notes, *standings.notes])
    display.table(list(map(row_to_json, standings.rows)), f"pass@1 of {benchmark}, compared to {standings.first}")
    result = SweepResult(standings, experiments)
    if failed:
        message = f"{len(failed)} of {len(points)} trainings failed, the others are kept; the last: {failed[-1]}"
        kind = RefusedPointsError if all(isinstance(error, InputError) for error in failed) else FailedPointsError
        raise kind(message, result)
    return result


def plan_points(
    row: SweepRow, preset: str | None, benchmark: str, seeds: int, params: Params, state: str
) -> dict[str, SweepRow]:
    """Return the points of a row of the grid by name, one for each seed.

    Equal trainings of one state of the code have equal names. DVC keeps an experiment for each commit, but `dvc exp
    apply` goes by the name alone: the name has the state, so that a sweep of the same grid at another commit, or after
    an edit, is another experiment.
    """
    points = {}
    first_seed = with_values(params, row.values).training.seed
    # Without a training all seeds would give the same score.
    number = 1 if row.objective == BASE else seeds
    for seed in range(first_seed, first_seed + number):
        values = row.values | {"training.seed": seed, "evaluation.benchmarks": [benchmark]}
        digest = digest_of([row.objective, values], 8)
        name = f"{preset or 'sweep'}-{digest}-{state}"
        points[name] = row._replace(values=values)
    return points
