"""The verb that makes trajectories."""

from pathlib import Path
from typing import Annotated

import typer

from iterpref_core.records import BACKENDS, InputError

from .options import (
    BackendOption,
    BaseUrlOption,
    EnvironmentOption,
    JsonOption,
    ParamsOption,
    ProblemsOption,
    SetOption,
    endpoint_values,
    output_file,
    params_with,
    place_of,
    read_values,
    warn_of_demo_values,
)
from .printing import print_text, show_result


def debug(
    problems: ProblemsOption,
    out: Annotated[
        Path | None, output_file(help="JSONL to write trajectories to; needed unless --show-prompt.")
    ] = None,
    debugger: Annotated[
        str | None,
        typer.Option(help="The model that repairs: folder, hub id, or name at the endpoint; default: model.debugger."),
    ] = None,
    draft_model: Annotated[
        str | None,
        typer.Option(
            help="The model that drafts: folder, hub id, or name at the endpoint. Without it the debugger drafts, too, "
            "unless --set or --params gives codeflow.draft_model: student."
        ),
    ] = None,
    backend: BackendOption = None,
    base_url: BaseUrlOption = None,
    concurrency: Annotated[int | None, typer.Option(help="Number of calls at the same time.")] = None,
    max_iterations: Annotated[int | None, typer.Option(help="Refinements after the draft.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all sampling.")] = None,
    show_prompt: Annotated[
        str | None, typer.Option(metavar="TASK", help="Print what the models get for this task, and ask none.")
    ] = None,
    environment: EnvironmentOption = None,
    set_: SetOption = None,
    params_file: ParamsOption = None,
    json_: JsonOption = False,
) -> None:
    """Debug problems with CodeFlow: draft, run, refine. After a kill, the same command continues.

    Exit status 1: answers are missing, and the same command asks for them.

    The model's answers are kept next to the output, in `.OUT.answers.sqlite`.
    """
    from iterpref_core.pairs.codeflow.codeflow import debug_problems, show_prompts

    given = read_values(set_, params_file)
    drafter = given.get("codeflow.draft_model", "debugger")
    # Options of the verb override params.yaml; None leaves the file's value.
    options = {
        "codeflow.draft_model": "student" if draft_model else drafter,
        "inference.concurrency": concurrency,
        "codeflow.max_iterations": max_iterations,
        "codeflow.seed": seed,
        **endpoint_values(backend, base_url),
    }
    settings = params_with(given, set_, params_file, options, environment, problems)
    if settings.codeflow.draft_model == "student":
        draft_model = draft_model or settings.model.student
    if show_prompt is not None:
        for request in show_prompts(problems, show_prompt, settings.codeflow.wording):
            print_text(f"{request}\n\n---")
        return
    if out is None:
        raise InputError("give --out, the file for the trajectories; or --show-prompt to look at the prompts alone")
    refiner = debugger or place_of(settings.model.debugger, "models/debugger")
    warn_of_demo_values(settings, refiner, "codeflow.wording", "codeflow.max_new_tokens")
    # `--backend openai --draft-model coder` names a served model, unless a folder `coder` is here.
    asks_server = (backend or base_url) and not BACKENDS[settings.inference.backend].local
    result = debug_problems(
        settings,
        problems=problems,
        student=draft_model or refiner,
        debugger=refiner,
        answers=out.with_name(f".{out.name}.answers.sqlite"),
        out=out,
        student_served=bool(asks_server and draft_model and not Path(draft_model).is_dir()),
    )
    show_result(result.metrics(), json_)
    if result.missing:
        raise typer.Exit(1)
