"""`iterpref rounds`: the rounds' flow against a Prefect server, then its table."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from flows.cli.prefect_runs import prepared_workspace, run_in_prefect
from iterpref_core.config import load_params
from tasks.orchestration.disk_space import check_workspace


def run_rounds(jobs: int, as_json: bool, **chosen: Any) -> None:
    """Run rounds and print what came of each.

    Args:
        jobs: how many stages may run at once.
        as_json: print the result as JSON; progress goes to stderr then.
        chosen: the other parameters of the flow `rounds`.

    Raises:
        InputError: the parameters are wrong; other rounds use this workspace; it has no commit.
        StageError: a stage failed.
    """
    load_params()
    check_workspace()
    with prepared_workspace("iterpref rounds"):
        found, _ = run_in_prefect(_load_flow, {"jobs": jobs} | chosen, sys.stderr if as_json else sys.stdout)
    if as_json:
        typer.echo(json.dumps([one.model_dump() for one in found], indent=2))
        return
    _print(found)
    typer.echo("experiments  `dvc exp show --only-changed`; `dvc exp apply NAME` brings one here")


def _load_flow() -> Callable[..., Any]:
    from flows.rounds import rounds

    return rounds


def _print(found: Sequence[Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from tasks.grids.experiment_rounds import describe_round

    rows = [describe_round(one) for one in found]
    table = Table(title="rounds", title_justify="left")
    for column in rows[0]:
        table.add_column(column, justify="left" if column == "objective" else "right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)
