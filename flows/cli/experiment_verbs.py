"""Verbs of the whole experiment."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.shared import DEFAULT_PARAMS, JsonOption, ParamsOption
from iterpref_core.config import load_params

if TYPE_CHECKING:
    from rich.table import Table

    from tasks.orchestration.doctor import Diagnosis


PANEL = "Experiment"


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (run, ui, doctor, profile):
        app.command(rich_help_panel=PANEL)(verb)


def run(
    stages: Annotated[
        list[str] | None, typer.Argument(help="Stages of dvc.yaml, with all they need; all by default.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many stages may run at once.")] = 2,
    profile: Annotated[
        str, typer.Option(help="Run in a copy with this profile's values; params.yaml does not change.")
    ] = "unchanged",
    objective: Annotated[
        list[str] | None, typer.Option(help="Train only this objective; repeatable. Runs in a copy.")
    ] = None,
    benchmark: Annotated[
        list[str] | None, typer.Option(help="Evaluate only on this benchmark; repeatable. Runs in a copy.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Train with this seed; repeatable. Each runs in a copy.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run the named stages even where nothing changed.")] = False,
) -> None:
    """Run the experiment: DVC's stages as a Prefect flow, then the results table."""
    from flows.cli.run_experiment import run_experiment
    from tasks.orchestration.run_options import parse_choice

    chosen = parse_choice(profile, objective or (), benchmark or (), seed or ())
    run_experiment(stages or [], jobs, force=force, **chosen)


def ui() -> None:
    """Start the Prefect server, with experiment and sweep served, and MLflow's interface; Ctrl-C stops them."""
    from flows.cli.interfaces import serve_interfaces

    load_params()
    serve_interfaces()


def doctor(params: ParamsOption = DEFAULT_PARAMS, json_: JsonOption = False) -> None:
    """Check isolation, versions, data, services and accelerator; exit 1 if something needed is missing."""
    from rich.console import Console

    from tasks.orchestration.doctor import examine

    findings = examine(load_params(params))
    if json_:
        typer.echo(json.dumps([finding.model_dump() for finding in findings], indent=2))
    else:
        Console().print(findings_table(findings))
    if any(finding.blocks for finding in findings):
        raise typer.Exit(1)


def findings_table(findings: "Sequence[Diagnosis]") -> "Table":
    """What was looked at, a row each."""
    from rich.table import Column, Table

    table = Table("", "what", Column("found", overflow="fold"), "remedy", box=None)
    for finding in findings:
        table.add_row(finding.mark, finding.name, finding.found, finding.remedy)
    return table


def profile(
    name: Annotated[str, typer.Argument(help="A file in profiles/, without its suffix.")],
    params: ParamsOption = DEFAULT_PARAMS,
) -> None:
    """Write a profile's values into the parameters; comments and all other values stay."""
    from tasks.orchestration.profiles import apply_profile

    for line in apply_profile(name, params):
        typer.echo(line)
