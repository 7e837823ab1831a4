"""Sweep: a grid of trainings, several at the same time, each a DVC experiment; and a table of their scores.

A point of the grid has a git worktree of its own with the checkout's files as they were when the sweep began, so the
user's files never change, and later edits are in no point. Stages that several points need, such as the pairs, run
once before them. `dvc exp show` lists the points, `dvc exp apply NAME` brings one here.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from flows.engine import Futures, run_graph
from flows.experiment import TASK_OPTIONS
from flows.form import Grid, Jobs
from flows.prefect_session import leave_out_tracebacks, tell_process
from iterpref_core.cli.libraries import set_up_libraries
from iterpref_core.config import Benchmark, Params, load_params, with_values
from iterpref_core.errors import InputError, IterPrefError
from iterpref_core.objectives.objective_table import ObjectiveName
from iterpref_core.records import Record
from iterpref_core.report.stage_outputs import load_model_results
from iterpref_core.results import Unavailable
from tasks.comparison import ComparisonRow, PointScore, compare_rows
from tasks.dvc.graph import frozen_line, load_graph
from tasks.dvc.reproduction import Commands, StageError
from tasks.git.source import observe_source
from tasks.git.worktree import Snapshot, add_objective, remove_worktree, take_snapshot, worktree_of
from tasks.grid import BASE, Row, check_choice, describe_values, plan_rows, trained_objectives
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


@task(task_run_name="stages before the trainings ({point.before})", **TASK_OPTIONS)
def prepare(point: Point, share: dict[str, str], work: Sweep) -> None:
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
        say = get_run_logger().info
        record.ran = bool(work.commands.run(point.before, ("repro", *point.needs), variables, say, folder))
        record.add(point.needs, folder)
    remove_worktree(work.snapshot, point.before)


@task(task_run_name="{point.row.label} ({point.name})", **TASK_OPTIONS)
def run_point(point: Point, share: dict[str, str], work: Sweep) -> PointScore:
    """Train and score one point, save it as a DVC experiment, and return its score on its only benchmark.

    Raises:
        IterPrefError: a stage failed.
    """
    say = get_run_logger().info
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
        record.ran = bool(work.commands.run(point.name, ("repro", target), variables, say, folder))
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


def _name_sweep() -> str:
    """Return the name of the present flow run, such as `tune` or `sft, dpo beta=0.1,0.3`."""
    given = flow_run.parameters
    subject = given["preset"] or ", ".join(given["objectives"] or trained_objectives())
    listed = {key: ",".join(map(str, values)) for key, values in (given["values"] or {}).items()}
    return " ".join([subject, *describe_values(listed)])


@flow(
    name="sweep",
    flow_run_name=_name_sweep,
    retries=0,  # whatever the user's settings say: a mistake stays one
    task_runner=ThreadPoolTaskRunner(max_workers=64),  # type: ignore[arg-type]  # of which `run_graph` uses `jobs`
    persist_result=False,
)
def sweep(
    preset: str | None = None,
    objectives: tuple[ObjectiveName, ...] = (),
    values: Grid | None = None,
    benchmark: Benchmark = "validation",
    seeds: int = 1,
    jobs: Jobs = 1,
) -> SweepResult:
    """Train and score every point of a grid, and compare each to the first.

    Finished points come from DVC's cache. If a point fails, the others still run.

    Args:
        preset: a grid of ablations.yaml: `rates`, `tune`, or one of the paper's ablations.
        objectives: objectives to train; none: the preset's, or those that the experiment trains.
        values: parameters by dotted key, each with the list of its values.
        benchmark: benchmark to score on. Choose settings on `validation`, never on `heldout`.
        seeds: number of trainings for each point; seeds count up from the point's `training.seed`.
        jobs: number of points at the same time; with GPUs each has one of its own.

    Raises:
        InputError: points failed, each because of its input or parameters.
        StageError: a point failed otherwise.
    """
    set_up_libraries()
    leave_out_tracebacks()
    tell_process()
    params = load_params()
    rows = plan_rows(params, preset, objectives, values or {})
    check_choice(preset, benchmark, params, INGESTED)
    get_run_logger().info("%d points, %d trainings of each", len(rows), seeds)
    if frozen := frozen_line(load_graph()):
        get_run_logger().info(frozen)
    state = observe_source().state
    # Two looks at the graph at most, whatever the number of objectives: all trainings need the same stages.
    needs = {target: stages_before(target) for target in {_first_stage(row) for row in rows}}
    trainings = {}
    for row in rows:
        planned = plan_points(row, preset, benchmark, seeds, params, needs[_first_stage(row)], state)
        trainings[row.label] = list(planned)
    points = {point.name: point for group in trainings.values() for point in group}
    futures = run_points(points, take_snapshot(Path.cwd()), jobs, params)
    scores: dict[str, list[PointScore]] = {}
    failed = []
    for label, group in trainings.items():
        for point in group:
            try:
                # The last that began says why the point did not run.
                scores.setdefault(label, []).append(futures.get(point.name, list(futures.values())[-1]).result())
            except IterPrefError as error:
                failed.append(error)
                get_run_logger().error("%s: %s", label, error)
    compared = compare_rows(
        {label: found for label, found in scores.items() if found},
        resamples=params.evaluation.bootstrap,
        seed=params.evaluation.seed,
    )
    table = [row.model_dump(exclude={"scores"}) for row in compared]
    create_table_artifact(table, key="sweep", description=f"pass@1 of {benchmark}, compared to the first row")
    if failed:
        kind = InputError if all(isinstance(error, InputError) for error in failed) else StageError
        raise kind(f"{len(failed)} of {len(points)} trainings failed, the others are kept; the last: {failed[-1]}")
    return SweepResult(benchmark=benchmark, rows=compared, experiments=list(points))


def run_points(points: Mapping[str, Point], snapshot: Snapshot, jobs: int, params: Params) -> Futures:
    """Run all points and the stages before them, each as a task of the present flow run; wait for their end.

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
    work = Sweep(snapshot, params, Commands())

    def submit(name: str, share: dict[str, str], ended: Futures) -> PrefectFuture[Any]:
        before = [ended[name] for name in upstream[name]]
        if name in prepared:
            return prepare.submit(point=prepared[name], share=share, work=work, return_state=False, wait_for=before)
        return run_point.submit(point=points[name], share=share, work=work, return_state=False, wait_for=before)

    try:
        return run_graph(upstream, jobs, submit)
    finally:
        work.commands.end()


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
