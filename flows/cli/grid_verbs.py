"""Verb that trains a grid."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.shared import JsonOption
from iterpref_core.objectives.objectives import OBJECTIVES

PANEL = "Grids of trainings"

NAMES = tuple(OBJECTIVES)
SPLITS = ("validation", "heldout")
STUDY_FIGURES = Path(".iterpref/study")
JobsOption = Annotated[int, typer.Option("--jobs", min=1, help="Trials at once, sharing the cores.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command(rich_help_panel=PANEL)(sweep)


def sweep(
    objective: Annotated[
        list[str] | None, typer.Option(help="Train this objective; repeatable. By default those of dvc.yaml.")
    ] = None,
    beta: Annotated[
        list[float] | None, typer.Option(help="Train with this beta; repeatable. By default that of params.yaml.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Train with this seed; repeatable. By default that of params.yaml.")
    ] = None,
    benchmark: Annotated[
        list[str] | None, typer.Option(help="Evaluate on this one; repeatable. `validation` by default.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many stages may run at once.")] = 2,
    json_: JsonOption = False,
) -> None:
    """Train every objective at every beta with every seed, in a copy; each beta and seed is a DVC experiment."""
    from flows.cli.run_sweep import run_sweep
    from tasks.orchestration.run_options import parse_grid

    grid = parse_grid(objective or (), beta or (), seed or (), benchmark or ("validation",))
    run_sweep(jobs, json_, **grid)
