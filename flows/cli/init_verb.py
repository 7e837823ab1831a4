"""`iterpref init`: a configuration for one's own model, debugger and problems, written or looked at."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.machine_verbs import PANEL
from iterpref_core.cli.path_options import input_option
from iterpref_core.cli.shared import DEFAULT_PARAMS, JsonOption, ParamsOption
from iterpref_core.config import Params, load_params
from iterpref_core.errors import InputError

PROBLEMS = Path("my_problems.jsonl")
NONE = "none"
"""The answer that there is no endpoint."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(rich_help_panel=PANEL)(init)


def init(
    problems: Annotated[
        Path | None,
        input_option(
            f"JSONL of your problems; if there is no such file, examples are written. [{PROBLEMS}]", kind="path or name"
        ),
    ] = None,
    model: Annotated[str | None, input_option("The model to train: a folder or hub id.", kind="path or name")] = None,
    debugger: Annotated[
        str | None,
        typer.Option(help="The model that repairs its programs: a folder, a hub id, or its name at --base-url."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="URL of the debugger's OpenAI-compatible endpoint; leave out if it runs here.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Name of a file in profiles/; by default own, or own-lora where memory is short.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace values that were changed before.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: check what params.yaml says, at no cost.")
    ] = False,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Write params.yaml for your own model and problems, asking for what no option gives; or --check it."""
    if check:
        if any((problems, model, debugger, base_url, profile, force)):
            raise InputError("--check only reads params.yaml; leave out the options that write it")
        _check(params, as_json=json_)
        return
    from tasks.orchestration.new_configuration import OwnInputs, write_configuration
    from tasks.paths import INGESTED

    if model is None or debugger is None:
        problems, model, debugger, base_url = _ask_for(problems, model, debugger, base_url, load_params(params))
    given = OwnInputs(problems or PROBLEMS, model, debugger, base_url)
    done = write_configuration(given, params, profile, force=force)
    if json_:
        typer.echo(json.dumps(done._asdict(), indent=2))
        return
    typer.echo(f"profile {done.profile}: {done.reason}")
    typer.echo(f"{params}: {len(done.changes)} values changed, which `git diff {params}` shows")
    if done.examples:
        typer.echo(f"{given.problems}: five examples, with every kind of test; put yours in their place")
    ingested = given.problems.resolve().parent == INGESTED.resolve()
    ingest = f"ingest {given.problems} --format jsonl --out problems/mine.jsonl"
    typer.echo(f"next: iterpref {'init --check' if ingested else ingest}")


def _ask_for(
    problems: Path | None, model: str | None, debugger: str | None, base_url: str | None, now: Params
) -> tuple[Path, str, str, str | None]:
    """What is not given, asked on the terminal; what the parameters name now is the default."""
    from iterpref_core.inference.local.checkpoints import EMBEDDED

    student, refiner = (None if name == EMBEDDED else name for name in (now.model.student, now.model.debugger))
    problems = problems or Path(
        _ask("--problems", "Your problems, a JSONL file (if there is none: examples)", PROBLEMS)
    )
    model = model or _ask("--model", "The model to train, a folder or hub id", student)
    debugger = debugger or _ask(
        "--debugger", "What repairs its programs: folder, hub id, or an endpoint's name", refiner
    )
    url = base_url or _ask("--base-url", "The endpoint's base URL", now.inference.base_url or NONE)
    return problems, model, debugger, None if url == NONE else url


def _ask(option: str, question: str, default: object) -> str:
    """An answer on the terminal.

    Raises:
        InputError: there is none to be had.
    """
    try:
        answer = str(typer.prompt(question, default=default))
    except typer.Abort:
        raise InputError(f"{option}: no answer; give the option, or answer the question") from None
    return str(Path(answer).expanduser()) if answer.startswith("~") else answer  # no shell has done so


def _check(params: Path, *, as_json: bool) -> None:
    from rich.console import Console

    from flows.cli.machine_verbs import findings_table
    from tasks.orchestration.configuration_check import check_configuration

    found = check_configuration(load_params(params))
    if as_json:
        findings = [finding.model_dump() for finding in found.findings]
        typer.echo(json.dumps({"findings": findings, "prompt": found.prompt}, indent=2))
    else:
        if found.prompt:
            typer.echo(f"The first prompt, as the model to train reads it:\n{found.prompt}\n")
        Console().print(findings_table(found.findings))
    if any(finding.blocks for finding in found.findings):
        raise typer.Exit(1)
