"""Points of a sweep: a grid of trainings, several at the same time, each a DVC experiment; and their scores compared.

A point of the grid has a git worktree of its own with the checkout's files as they were when the sweep began, so the
user's files never change, and later edits are in no point. Stages that several points need, such as the pairs, run
once before them. `dvc exp show` lists the points, `dvc exp apply NAME` brings one here.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from flows.display import Shown, Terminal
from flows.engine import run_graph
from iterpref_core.evaluation.report.stage_outputs import load_model_results
from iterpref_core.records import Record
from iterpref_core.records.config import Benchmark, Params, load_params, with_values
from iterpref_core.records.errors import InputError, IterPrefError
from iterpref_core.records.results import Unavailable
from tasks.comparison import ComparisonRow, PointScore, compare_rows
from tasks.dvc.graph import frozen_line, load_graph
from tasks.dvc.reproduction import Commands, StageError
from tasks.git.source import observe_source
from tasks.git.worktree import Snapshot, add_objective, remove_worktree, take_snapshot, worktree_of
from tasks.grid import BASE, Row, check_choice, plan_rows
from tasks.mlflow.command import Command
from tasks.mlflow.recorded_command import recorded_command
from tasks.paths import HOME_VARIABLE, INGESTED, PARAMS, RESULTS, STATE, home
from tasks.profiles import write_values


class SweepResult(Record):
    """The result of a sweep: a row for each point, compared to the first, and the names of its DVC experiments."""

    benchmark: str
    rows: list[ComparisonRow]
    experiments: list[str]


class Point(NamedTuple):
    """One training: a row of the grid with a seed.

    Attributes:
        name: name of its DVC experiment and its worktree; equal trainings of one state of the code have equal names.
        row: objective and values, among them seed and benchmark.
        needs: stages that are up to date before its training begins.
        state: name of the commit, with changes that are not committed.
    """

    name: str
    row: Row
    needs: tuple[str, ...]
    state: str

    def preparation(self) -> dict[str, Any]:
        """Return the values that matter before a training begins."""
        return {key: value for key, value in self.row.values.items() if not key.startswith("training.")}

    @property
    def before(self) -> str:
        """The name of the preparation, which points with equal stages and values before their trainings share."""
        text = json.dumps([self.needs, self.preparation()], sort_keys=True)
        return f"before-{hashlib.sha256(text.encode()).hexdigest()[:8]}-{self.state}"


class Sweep(NamedTuple):
    """The common ground of a sweep's points: the user's files and parameters, the commands under way."""

    snapshot: Snapshot
    params: Params
    commands: Commands


def prepare(point: Point, share: dict[str, str], work: Sweep, shown: Shown) -> None:
    """Bring the stages up to date, in DVC's cache, that this point and others need before their trainings begin.

    Raises:
        IterPrefError: a stage failed.
    """
    if not point.needs:
        return
    values = point.preparation()
    with (
        recorded_command("iterpref sweep", with_values(work.params, values), values, point.before) as record,
        worktree_of(work.snapshot, point.before) as folder,
    ):
        write_values(values, folder / PARAMS)
        variables = share | _variables(record.command)
        record.ran = bool(work.commands.run(point.before, ("repro", *point.needs), variables, shown.say, folder))
        record.add(point.needs, folder)
    remove_worktree(work.snapshot, point.before)


def run_point(point: Point, share: dict[str, str], work: Sweep, shown: Shown) -> PointScore:
    """Train and score one point, save it as a DVC experiment, and return its score on its only benchmark.

    Raises:
        IterPrefError: a stage failed.
    """
    params = with_values(work.params, point.row.values)
    objective = point.row.objective
    target = f"evaluation@{objective}"
    with (
        recorded_command("iterpref sweep", params, point.row.values, point.row.label) as record,
        worktree_of(work.snapshot, point.name) as folder,
    ):
        made = [target]
        if objective != BASE:
            add_objective(folder, objective)
            made.insert(0, f"training@{objective}")
            if objective not in work.params.training.objectives:
                write_values({f"training.objectives.{objective}": {}}, folder / PARAMS)  # DVC needs a line
        write_values(point.row.values, folder / PARAMS)
        variables = share | _variables(record.command)
        record.ran = bool(work.commands.run(point.name, ("repro", target), variables, shown.say, folder))
        # DVC makes an experiment by way of references that all worktrees share.
        with FileLock(home() / STATE / "experiments.lock"):
            saving = ("exp", "save", "--force", "--name", point.name, target)
            work.commands.run(point.name, saving, variables, lambda _: None, folder)
        record.add([*point.needs, *made], folder)
        score = _read_score(folder / RESULTS / objective / "results.json")
    remove_worktree(work.snapshot, point.name)
    return score


def _variables(command: Command) -> dict[str, str]:
    return command.variables | {HOME_VARIABLE: str(home().resolve())}


def _read_score(results: Path) -> PointScore:
    [(benchmark, result)] = load_model_results(results).benchmarks.items()
    if isinstance(result, Unavailable):
        raise InputError(f"{benchmark} is not measured: {result.reason}; choose another --benchmark")
    return PointScore(pass_at_1=result.pass_at_1, n=result.n, passed=result.passed)


def run_sweep(
    preset: str | None,
    objectives: Sequence[str],
    values: Mapping[str, Sequence[Any]],
    benchmark: Benchmark,
    seeds: int,
    jobs: int,
    display: Terminal,
) -> SweepResult:
    """Train and score every point of a grid, and compare each to the first.

    Finished points come from DVC's cache. If a point fails, the others still run.

    Args:
        preset: a grid of ablations.yaml.
        objectives: objectives to train; none: the preset's, or those that the experiment trains.
        values: parameters by dotted key, each with the list of its values.
        benchmark: benchmark to score on.
        seeds: number of trainings for each point; seeds count up from the point's `training.seed`.
        jobs: number of points at the same time.
        display: where the run is shown.

    Raises:
        InputError: points failed, each because of its input or parameters.
        StageError: a point failed otherwise.
    """
    params = load_params()
    rows = plan_rows(params, preset, objectives, values)
    check_choice(preset, benchmark, params, INGESTED)
    display.say(f"{len(rows)} points, {seeds} trainings of each")
    if frozen := frozen_line(load_graph()):
        display.say(frozen)
    state = observe_source().state
    # Two looks at the graph at most, whatever the number of objectives: all trainings need the same stages.
    needs = {target: stages_before(target) for target in {_first_stage(row) for row in rows}}
    trainings = {}
    for row in rows:
        planned = plan_points(row, preset, benchmark, seeds, params, needs[_first_stage(row)], state)
        trainings[row.label] = list(planned)
    points = {point.name: point for group in trainings.values() for point in group}
    futures = run_points(points, take_snapshot(Path.cwd()), jobs, params, display)
    scores: dict[str, list[PointScore]] = {}
    failed = []
    for label, group in trainings.items():
        for point in group:
            try:
                # The preparation says why its points did not run, and the first one why those after it did not.
                began = next(name for name in (point.name, point.before, *futures) if name in futures)
                scores.setdefault(label, []).append(futures[began].result())
            except IterPrefError as error:
                failed.append(error)
                display.say(f"{label}: {error}")
    compared = compare_rows(
        {label: found for label, found in scores.items() if found},
        resamples=params.evaluation.bootstrap,
        seed=params.evaluation.seed,
    )
    table = [row.model_dump(exclude={"scores"}) for row in compared]
    display.table("sweep", table, f"pass@1 of {benchmark}, compared to the first row")
    if failed:
        kind = InputError if all(isinstance(error, InputError) for error in failed) else StageError
        raise kind(f"{len(failed)} of {len(points)} trainings failed, the others are kept; the last: {failed[-1]}")
    return SweepResult(benchmark=benchmark, rows=compared, experiments=list(points))


def run_points(
    points: Mapping[str, Point], snapshot: Snapshot, jobs: int, params: Params, display: Terminal
) -> dict[str, Future[Any]]:
    """Run all points and the stages before them, and wait for their end.

    Returns:
        The preparations and the points that began, by name.
    """
    # The first of the points that share a preparation stands for all of them.
    prepared: dict[str, Point] = {}
    for point in points.values():
        prepared.setdefault(point.before, point)
    # The first one makes what all have in common; the others find that in DVC's cache.
    first, *others = prepared
    upstream: dict[str, tuple[str, ...]] = {first: ()} | dict.fromkeys(others, (first,))
    upstream |= {name: (point.before,) for name, point in points.items()}
    titles = {name: f"stages before the trainings ({name})" for name in prepared}
    titles |= {name: f"{point.row.label} ({name})" for name, point in points.items()}
    work = Sweep(snapshot, params, Commands())

    def run(name: str, share: dict[str, str]) -> PointScore | None:
        before = [titles[other] for other in upstream[name]]
        if name in prepared:
            return display.show(titles[name], before, lambda shown: prepare(prepared[name], share, work, shown))
        return display.show(titles[name], before, lambda shown: run_point(points[name], share, work, shown))

    return run_graph(upstream, jobs, run, work.commands.end)


def plan_points(
    row: Row,
    preset: str | None,
    benchmark: str,
    seeds: int,
    params: Params,
    needs: tuple[str, ...],
    state: str,
) -> Iterator[Point]:
    """Yield the points of a row of the grid, one for each seed, each after the stages of `needs`.

    DVC keeps an experiment for each commit, but `dvc exp apply` goes by the name alone: the name has the state, so that
    a sweep of the same grid at another commit, or after an edit, is another experiment.
    """
    first_seed = with_values(params, row.values).training.seed
    trained: Sequence[int] = range(first_seed, first_seed + seeds)
    if row.objective == BASE:
        # Nothing is trained, so that all seeds would give the same score.
        trained = trained[:1]
    for seed in trained:
        values = row.values | {"training.seed": seed, "evaluation.benchmarks": [benchmark]}
        named = row._replace(values=values)
        yield Point(f"{preset or 'sweep'}-{named.digest()}-{state}", named, needs, state)


def _first_stage(row: Row) -> str:
    """Return the first stage of a row's own points, or the group of it."""
    return f"evaluation@{BASE}" if row.objective == BASE else "training"


def stages_before(target: str) -> tuple[str, ...]:
    """Return the stages that are up to date before a stage, or a group, such as `training`, begins.

    All trainings need the same stages, also that of an objective that dvc.yaml does not have.
    """
    graph = load_graph(targets=(target,))
    return tuple(name for name, stage in graph.items() if target not in (name, stage.group))
