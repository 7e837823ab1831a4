"""`iterpref init` writes params.yaml for your own models; `iterpref doctor` checks the machine against it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from iterpref_core.cli.options import (
    EnvironmentOption,
    JsonOption,
    ParamsOption,
    SetOption,
    input_file,
    known_environments,
    read_params,
    read_values,
)
from iterpref_core.cli.printing import table_console
from iterpref_core.records import load_params

_MARKS = {"ok": "✓", "absent": "–", "missing": "✗"}
"""The signs in the doctor's table."""


def init(
    profile: Annotated[
        str | None,
        typer.Option(help="A file of config/profiles/. Default: the present one; `own` if --model replaces nanolab."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model to train: a folder or hub id.")] = None,
    debugger: Annotated[
        str | None,
        typer.Option(help="Model that repairs programs: a folder, a hub id, or its name at inference.base_url."),
    ] = None,
    pairs: Annotated[
        Path | None,
        input_file(help="Pairs to train on, in any layout that `train` reads: an experiment without CodeFlow."),
    ] = None,
    environment: EnvironmentOption = None,
    set_: SetOption = None,
    params_file: ParamsOption = None,
    json_: JsonOption = False,
) -> None:
    """Write a profile, your own models and values into params.yaml. Your earlier changes there stay."""
    from tasks.paths import INGESTED
    from tasks.profiles import values_for_pairs, write_params
    from tasks.upgrade import carry_over

    carried = carry_over()
    values = read_values(set_, params_file)
    for key, name in (("model.student", model), ("model.debugger", debugger)):
        # A relative path would be wrong in a worktree. A hub id stays unchanged.
        if name is not None:
            values[key] = str(Path(name).resolve()) if Path(name).exists() else name
    params = load_params()
    known = known_environments(params, environment, INGESTED)
    if known != params.execution.environments:
        values["execution.environments"] = {name: each.model_dump(mode="json") for name, each in known.items()}
    embedded = params.model.student == "nanolab"
    name = profile or ("own" if (model or pairs) and embedded else params.profile)
    if pairs is not None:
        values = values_for_pairs(pairs, name, params, values) | values
    changes, kept = write_params(name, values)
    if json_:
        typer.echo(json.dumps({"profile": name, "carried": carried, "changes": changes, "kept": kept}, indent=2))
        return
    for line in (*carried, *kept, *changes):
        typer.echo(line)
    if pairs is not None and "heldout" not in load_params().evaluation.benchmarks:
        typer.echo(
            "models are scored on published benchmarks, as problems/ has no held-out task; to score on tasks of your "
            "own, put some there, and run this again: iterpref ingest FILE --heldout 1 --out problems/mine.jsonl"
        )
    typer.echo(f"params.yaml: profile {name}, {len(changes)} values changed; next: iterpref doctor")


def doctor(set_: SetOption = None, params_file: ParamsOption = None, json_: JsonOption = False) -> None:
    """Check isolation, versions, models, data, services and GPU. Exit with 1 if something needed is missing."""
    from rich.table import Column, Table

    from tasks.doctor import examine

    findings = examine(read_params(set_, params_file))
    if json_:
        typer.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        table = Table("", "what", Column("found", overflow="fold"), box=None)
        for finding in findings:
            table.add_row(_MARKS[finding.status], finding.name, finding.detail)
        table_console().print(table)
    if any(finding.status == "missing" for finding in findings):
        raise typer.Exit(1)
