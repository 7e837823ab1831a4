"""`iterpref init` and `iterpref doctor`: params.yaml for one's own models, and whether machine and parameters fit."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iterpref_core.cli.path_options import input_option
from iterpref_core.cli.shared import DEFAULT_PARAMS, JsonOption, ParamsOption, SetOption, parse_assignments
from iterpref_core.config import load_params
from iterpref_core.errors import InputError

if TYPE_CHECKING:
    from tasks.doctor import Diagnosis


def init(
    profile: Annotated[
        str | None, typer.Option(help="Name of a file in profiles/; with --model `own`, else that of params.yaml.")
    ] = None,
    model: Annotated[str | None, input_option("The model to train: a folder or hub id.", kind="path or name")] = None,
    debugger: Annotated[
        str | None,
        typer.Option(
            help="The model that repairs its programs: a folder, a hub id, or its name at inference.base_url."
        ),
    ] = None,
    set_: SetOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: say what is odd about params.yaml and its models.")
    ] = False,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Write params.yaml of a profile, with your own models and values; or --check it."""
    from tasks.doctor import examine_configuration
    from tasks.profiles import write_params

    before = load_params(params)
    if check:
        if profile or model or debugger or set_:
            raise InputError("--check only reads params.yaml; leave out the options that write it")
        _show(examine_configuration(before), as_json=json_)
        return
    values = parse_assignments(set_)
    for key, name in (("model.student", model), ("model.debugger", debugger)):
        if name is not None:  # a folder's path must hold in a worktree, too
            values[key] = str(Path(name).resolve()) if Path(name).is_dir() else name
    name = profile or ("own" if model else before.profile)
    changes = write_params(name, values, params)
    if json_:
        typer.echo(json.dumps({"profile": name, "changes": changes}, indent=2))
        return
    for line in changes:
        typer.echo(line)
    typer.echo(f"{params}: profile {name}, {len(changes)} values changed; next: iterpref init --check")


def doctor(params: ParamsOption = DEFAULT_PARAMS, json_: JsonOption = False) -> None:
    """Check isolation, versions, models, data, services and accelerator; exit 1 if something needed is missing."""
    from tasks.doctor import examine

    _show(examine(load_params(params)), as_json=json_)


def _show(findings: "Sequence[Diagnosis]", *, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    if as_json:
        typer.echo(json.dumps([finding.model_dump() for finding in findings], indent=2))
    else:
        table = Table("", "what", Column("found", overflow="fold"), "remedy", box=None)
        for finding in findings:
            table.add_row(finding.mark, finding.name, finding.found, finding.remedy)
        Console().print(table)
    if any(finding.status == "missing" for finding in findings):
        raise typer.Exit(1)
