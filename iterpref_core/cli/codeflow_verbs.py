"""Verb that makes trajectories."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from iterpref_core.cli.path_options import input_option, output_option
from iterpref_core.cli.shared import (
    DEFAULT_PARAMS,
    BackendOption,
    JsonOption,
    ParamsOption,
    ProblemsOption,
    SetOption,
    override,
    read_params,
    show_result,
)


def debug(
    problems: ProblemsOption,
    out: Annotated[Path, output_option("JSONL to write trajectories to.")],
    model: Annotated[
        str | None,
        input_option("Folder, hub id, or an endpoint's name for it; model.debugger by default.", kind="path or name"),
    ] = None,
    draft_model: Annotated[
        str | None, typer.Option(help="Folder or hub id of the model that drafts; by default the one that refines.")
    ] = None,
    backend: BackendOption = None,
    base_url: Annotated[str | None, typer.Option(help="URL for backend openai; OPENAI_API_KEY has its key.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Calls under way at once.")] = None,
    max_iterations: Annotated[int | None, typer.Option(help="Refinements after the draft.")] = None,
    source: Annotated[
        Literal["debugging", "sampling"],
        typer.Option(help="sampling: drafts of each problem, executed and not refined."),
    ] = "debugging",
    seed: Annotated[int | None, typer.Option(help="Seed of all sampling.")] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    json_: JsonOption = False,
) -> None:
    """Debug problems with CodeFlow: draft, run, refine; a killed run continues where it stopped.

    Answers are kept beside the output, in `.OUT.answers.sqlite`.
    """
    from iterpref_core.codeflow.codeflow import CodeflowRun, run_codeflow
    from iterpref_core.codeflow.roles import choose_models
    from iterpref_core.inference.local.checkpoints import EMBEDDED

    settings = read_params(params, set_)
    values = {
        "source": source, "concurrency": concurrency, "max_iterations": max_iterations,
        "seed": seed, "draft_model": "debugger" if draft_model is None else "student",
    }  # fmt: skip
    codeflow = override(settings.codeflow, values)
    inference = override(settings.inference, {"backend": backend, "base_url": base_url})
    named = settings.model.debugger
    refiner = model or ("models/debugger" if named == EMBEDDED else named)
    prompt = settings.model.prompt if draft_model else "auto"
    models = choose_models(draft_model or refiner, refiner, codeflow, inference, settings.budget, prompt)
    store = out.with_name(f".{out.name}.answers.sqlite")
    show_result(run_codeflow(CodeflowRun(problems, models, codeflow, settings.execution, store), out), json_)
