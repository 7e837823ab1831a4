"""`iterpref run`: the experiment's flow against a Prefect server, then its results."""

import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import typer

from iterpref_core.config import load_params
from iterpref_core.errors import InputError
from tasks.common.paths import REPORTS, SUMMARY
from tasks.orchestration.processes import end_leftovers
from tasks.orchestration.run import LAST_RUN, RunCost, check_workspace, full_disk
from tasks.orchestration.services import log_to_prefect, prefect_server
from tasks.recording.graph import load_graph, select_stages


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
    end_leftovers()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        folders, in_flow_s = _run_flow({"stages": tuple(stages), "jobs": jobs} | chosen)
    except KeyboardInterrupt:
        typer.echo("cancelled; `iterpref run` continues where this run stopped", err=True)
        raise typer.Exit(130) from None
    except InputError:
        raise
    except Exception:
        if (full := full_disk()) is not None:
            raise full from None
        raise
    _finish(time.monotonic() - started, in_flow_s, [] if stages else folders)


def _run_flow(parameters: dict[str, Any]) -> tuple[list[Path], float]:
    """Returns the folders that hold the results, and how long the flow itself took, in seconds."""
    _log_to_terminal()
    with prefect_server() as service:
        # A server of our own starts meanwhile.
        from flows.experiment import experiment
        from flows.stage import drain_prefect

        if service is not None:
            service.wait_healthy()
        started = time.monotonic()
        try:
            folders = experiment(**parameters)
        finally:
            drain_prefect()
        return [Path(folder) for folder in folders], time.monotonic() - started


def _log_to_terminal() -> None:
    """Our own lines to the terminal and to the Prefect server; Prefect's only to the server."""
    log_to_prefect()
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("iterpref")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _finish(total_s: float, in_flow_s: float, folders: list[Path]) -> None:
    """Record the whole cost, and print the results of the experiments in these folders."""
    cost = RunCost.model_validate_json(LAST_RUN.read_bytes())
    cost = cost.model_copy(update={"total_s": total_s, "server_s": total_s - in_flow_s})
    LAST_RUN.write_text(cost.model_dump_json(indent=2) + "\n", encoding="utf-8")
    for folder in folders:
        _print_table(folder / SUMMARY)
        report = folder / REPORTS / "index.html"
        typer.echo(f"report         {os.path.relpath(report)}")
    typer.echo("runs           mlflow.db (`make ui` shows them)")
    ran = sum(not stage.cached for stage in cost.stages)
    typer.echo(f"stages         {ran} ran, {len(cost.stages) - ran} unchanged")
    typer.echo(f"time           {total_s:.0f} s, of which {cost.server_s:.0f} s to start and stop the Prefect server")
    if ran:
        typer.echo(f"orchestration  {cost.orchestration_share:.0%} of the stages' time")


def _print_table(path: Path) -> None:
    from rich.console import Console

    from iterpref_core.report.summary import read_summary
    from iterpref_core.report.table import benchmark_table, results_table

    summary = read_summary(path)
    for table in (results_table(summary), benchmark_table(summary)):
        if table is not None:
            Console().print(table)
