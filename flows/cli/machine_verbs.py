"""`iterpref doctor`."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from iterpref_core.cli.shared import DEFAULT_PARAMS, JsonOption, ParamsOption
from iterpref_core.config import load_params

if TYPE_CHECKING:
    from rich.table import Table

    from tasks.orchestration.doctor import Diagnosis

PANEL = "Experiment"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(rich_help_panel=PANEL)(doctor)


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
