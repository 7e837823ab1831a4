"""`iterpref run`: the experiment's flow against a Prefect server, then its results."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from flows.cli.prefect_runs import prepared_workspace, run_in_prefect
from iterpref_core.config import load_params
from iterpref_core.cores import usable_cores
from tasks.common.paths import REPORTS, SUMMARY
from tasks.common.stage_body import cpu_s
from tasks.orchestration.disk_space import check_workspace
from tasks.orchestration.experiment_run import LAST_RUN, RunCost
from tasks.recording.dvc_graph import load_graph, select_stages


def run_experiment(stages: list[str], jobs: int, **chosen: Any) -> None:
    """Bring the stages up to date and print what came out.

    Args:
        stages: names from dvc.yaml; none for all.
        jobs: how many may run at once.
        chosen: the other parameters of the flow `experiment`.

    Raises:
        InputError: the parameters, a stage's name or a stage's input is wrong; another run uses this workspace.
        StageError: a stage failed.
    """
    started = time.monotonic()
    load_params()
    check_workspace()
    select_stages(load_graph(), tuple(stages))
    with prepared_workspace("iterpref run"):
        folders, in_flow_s = run_in_prefect(_load_flow, {"stages": tuple(stages), "jobs": jobs} | chosen)
    _finish(time.monotonic() - started, in_flow_s, [] if stages else [Path(folder) for folder in folders])


def _load_flow() -> Callable[..., list[str]]:
    from flows.experiment import experiment

    return experiment


def _finish(total_s: float, in_flow_s: float, folders: list[Path]) -> None:
    """Record the whole cost, and print the results of the experiments in these folders."""
    cost = RunCost.model_validate_json(LAST_RUN.read_bytes())
    used = {"cpu_s": cpu_s(), "cores": usable_cores()}
    cost = cost.model_copy(update={"total_s": total_s, "server_s": total_s - in_flow_s} | used)
    LAST_RUN.write_text(cost.model_dump_json(indent=2) + "\n", encoding="utf-8")
    for folder in folders:
        _print_results(folder / SUMMARY)
        report = folder / REPORTS / "index.html"
        typer.echo(f"report         {os.path.relpath(report)}")
    typer.echo("runs           mlflow.db (`make ui` shows them)")
    ran = sum(not stage.cached for stage in cost.stages)
    typer.echo(f"stages         {ran} ran, {len(cost.stages) - ran} unchanged")
    typer.echo(f"time           {total_s:.0f} s, of which {cost.server_s:.0f} s to start and stop the Prefect server")
    if ran:
        typer.echo(f"orchestration  {cost.orchestration_share:.0%} of the stages' time")
        typer.echo(f"processor      {cost.cpu_share:.0%} of {cost.cores} cores used")


def _print_results(path: Path) -> None:
    from rich.console import Console

    from iterpref_core.report.summary import read_summary
    from iterpref_core.report.terminal_table import benchmark_table, pairs_line, results_notes, results_table

    summary = read_summary(path)
    for part in (results_table(summary), results_notes(summary), benchmark_table(summary)):
        if part:
            Console().print(part)
    typer.echo(f"pairs          {pairs_line(summary)}")
