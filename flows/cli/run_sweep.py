"""`iterpref sweep`: the sweep's flow against a Prefect server, then its table."""

import sys
from collections.abc import Callable
from typing import Any

import typer

from flows.cli.prefect_runs import prepared_workspace, run_in_prefect
from flows.cli.shared import show_rows
from iterpref_core.config import load_params
from tasks.orchestration.disk_space import check_workspace


def run_sweep(jobs: int, as_json: bool, **grid: Any) -> None:
    """Run a sweep and print what came out.

    Args:
        jobs: how many stages may run at once.
        as_json: print the result as JSON; progress goes to stderr then.
        grid: the other parameters of the flow `sweep`.

    Raises:
        InputError: the parameters are wrong; another sweep uses this workspace; it has no commit.
        StageError: a point failed.
    """
    load_params()
    check_workspace()
    with prepared_workspace("iterpref sweep"):
        result, _ = run_in_prefect(_load_flow, {"jobs": jobs} | grid, sys.stderr if as_json else sys.stdout)
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
        return
    for benchmark, rows in result.rows.items():
        show_rows(f"{benchmark}, compared to the base model", rows, as_json=False)
    typer.echo("experiments  `dvc exp show --only-changed`; `dvc exp apply NAME` brings one here")
    typer.echo(f"runs         mlflow.db (`make ui` shows them: tags.`iterpref.sweep` = '{result.sweep}')")


def _load_flow() -> Callable[..., Any]:
    from flows.sweep import sweep

    return sweep
