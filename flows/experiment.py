"""Experiment: DVC's stages as tasks of a flow, in the order of DVC's graph, independent ones at the same time.

A stage runs as `dvc repro --single-item STAGE` in a process of its own, as under a bare `dvc repro`. DVC is the only
cache: a stage that it does not run shows as `Cached`.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run, task_run
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.urls import url_for

from flows.engine import Futures, run_graph
from flows.form import Jobs, StageTarget, Values
from flows.prefect_session import leave_out_tracebacks, tell_process
from iterpref_core.cli.libraries import set_up_libraries
from iterpref_core.config import load_params, with_values
from iterpref_core.report.summary_record import Summary, read_summary
from tasks.dvc.graph import Stage, frozen_line
from tasks.dvc.reproduction import Reproduction, UnreachableError
from tasks.dvc.survey import survey
from tasks.git.source import name_run, observe_source
from tasks.git.worktree import entered_worktree
from tasks.lock import only_run
from tasks.mlflow.execution import PAGE_VARIABLE
from tasks.mlflow.recorded_command import RecordedCommand, recorded_command
from tasks.paths import SUMMARY
from tasks.prefect.server import announced_pages
from tasks.profiles import write_values

COMMAND = "iterpref run"
CACHED = "Cached"
"""The name of the state of a stage that DVC did not run."""

_PAUSES_S = (30, 120)
"""Pauses before a stage is tried again. Its endpoint could not be reached, with all the attempts of every call."""


def _may_succeed_later(_task: Any, _run: Any, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), UnreachableError)


TASK_OPTIONS: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": len(_PAUSES_S),
    "retry_delay_seconds": list(_PAUSES_S),
    "retry_condition_fn": _may_succeed_later,
}
"""Options of every task that runs stages: DVC is the only cache, and a server that is away may be back later."""


@task(name="stage", task_run_name="{stage.name}", **TASK_OPTIONS)
def reproduce(stage: Stage, share: dict[str, str], run: Reproduction, record: RecordedCommand) -> State[Any] | None:
    """Bring one stage up to date, whose upstream stages are.

    Args:
        stage: the stage.
        share: environment variables by which it keeps to its share of the machine.
        run: the reproduction that the stage is part of.
        record: the command, of which MLflow hears after each stage.

    Returns:
        `Completed(name="Cached")` if DVC had nothing to run.

    Raises:
        InputError: the stage refused its input or its parameters.
        UnreachableError: the stage could not reach a server; Prefect tries it again.
        StageError: the stage failed otherwise.
        CancelledError: the run was cancelled before the stage started.
    """
    page = {PAGE_VARIABLE: url_for("task-run", obj_id=task_run.id) or ""}
    environment = page | share | record.command.variables
    if not run.bring_up_to_date(stage, environment, get_run_logger().info):
        return Completed(name=CACHED, message="DVC had nothing to run")
    record.add([*stage.upstream, stage.name])
    record.write()
    return None


def _name_run() -> str:
    """Return the name of the present flow run, such as `beta=0.3`: MLflow's run of the same command has it, too."""
    return name_run(COMMAND, observe_source(flow_run.parameters["values"]))


@flow(
    name="experiment",
    flow_run_name=_name_run,
    retries=0,  # whatever the user's settings say: a mistake stays one
    task_runner=ThreadPoolTaskRunner(max_workers=64),  # type: ignore[arg-type]  # `run_graph` uses as many as `jobs`
    persist_result=False,
)
def experiment(
    stages: tuple[StageTarget, ...] = (),
    values: Values | None = None,
    jobs: Jobs = 2,
) -> str:
    """Bring stages, and all that they need, up to date.

    With `values` this happens in a git worktree; params.yaml and results of the checkout do not change.

    Args:
        stages: names from dvc.yaml; `training` means all of `training@…`. Without names the whole experiment runs.
        values: parameters to change, by dotted key, such as {"training.beta": 0.3}.
        jobs: number of stages that run at the same time.

    Returns:
        The folder that holds the results.
    """
    set_up_libraries()
    leave_out_tracebacks()
    tell_process()
    chosen = values or {}
    # The record is of the user's commit and changes, so it begins before a worktree is entered.
    params = with_values(load_params(), chosen)
    with recorded_command(COMMAND, params, chosen) as record, entered(chosen) as folder:
        with only_run():
            found = survey(stages)
            graph = found.graph
            reproduction = Reproduction(graph, found.stale)
            if frozen := frozen_line(graph):
                get_run_logger().info(frozen)
            for line in reproduction.causes:
                get_run_logger().info(line)
            run_stages(graph, reproduction, record, jobs)
        if "report" in graph:
            show_results(read_summary(SUMMARY))
        return str(folder)


@contextmanager
def entered(values: Mapping[str, Any]) -> Iterator[Path]:
    """Make the folder in which these values hold the present one: this one, or a worktree of it."""
    if not values:
        yield Path.cwd()
        return
    digest = hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()[:12]
    with entered_worktree(digest) as folder:
        write_values(values)
        yield folder


def run_stages(graph: Mapping[str, Stage], run: Reproduction, record: RecordedCommand, jobs: int) -> None:
    """Run the present folder's stages, each as a task of the present flow run, and add their results to the record."""
    futures: Futures = {}

    def submit(name: str, share: dict[str, str], ended: Futures) -> PrefectFuture[Any]:
        before = [ended[upstream] for upstream in graph[name].upstream]  # for the arrows on Prefect's page
        futures[name] = reproduce.submit(
            stage=graph[name], share=share, run=run, record=record, return_state=False, wait_for=before
        )
        return futures[name]

    try:
        run_graph({name: stage.upstream for name, stage in graph.items()}, jobs, submit)
    finally:
        run.end()
        states = {name: future.state for name, future in futures.items()}
        record.ran = any(state.name not in (CACHED, "Pending") for state in states.values())
        record.add(name for name, state in states.items() if state.is_completed())
    for future in futures.values():
        future.result()


def show_results(summary: Summary) -> None:
    """Add artifacts to the flow run: every model's pass@1 on every benchmark, and a link to MLflow's pages."""
    rows = []
    for model, scores in summary.models.items():
        for benchmark, score in scores.items():
            low, high = score.ci95
            row = {
                "model": model,
                "benchmark": benchmark,
                "pass@1": f"{100 * score.pass_at_1:.1f}",
                "95%": f"{100 * low:.1f} to {100 * high:.1f}",
                "n": score.n,
            }
            rows.append(row)
    create_table_artifact(rows, key="results", description="pass@1 in percent")
    if (pages := announced_pages()) is not None:
        create_link_artifact(pages.mlflow, link_text="MLflow", key="mlflow", description="The runs' record")
