"""Verbs that make trajectories, and what models answered for them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from iterpref_core.cli.path_options import input_option, output_option
from iterpref_core.cli.shared import (
    BACKENDS,
    DEFAULT_PARAMS,
    JsonOption,
    ParamsOption,
    ProblemsOption,
    SetOption,
    choose,
    override,
    read_params,
    show_result,
)
from iterpref_core.config import CodeflowParams, Params
from iterpref_core.errors import ConfigError

PANEL = "CodeFlow"

SOURCES = ("debugging", "sampling")
Model = Annotated[
    str | None,
    input_option("Folder, hub id, or an endpoint's name for it; model.debugger by default.", kind="path or name"),
]
Backend = Annotated[str | None, typer.Option(help=f"How the model is run; one of: {', '.join(BACKENDS)}.")]
BaseUrl = Annotated[
    str | None,
    typer.Option(help="URL for backend openai, or several with commas; the key is read from OPENAI_API_KEY."),
]
Concurrency = Annotated[int | None, typer.Option(help="Calls under way at once.")]
Seed = Annotated[int | None, typer.Option(help="Seed of all sampling.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command(rich_help_panel=PANEL)(debug)


@dataclass(frozen=True)
class _Asked:
    """What is asked of which model, and where it goes."""

    problems: Path
    out: Path
    model: str | None
    drafter: str | None
    backend: str | None
    base_url: str | None
    as_json: bool


def debug(
    problems: ProblemsOption,
    out: Annotated[Path, output_option("JSONL to write trajectories to.")],
    model: Model = None,
    draft_model: Annotated[
        str | None, typer.Option(help="Folder or hub id of the model that drafts; by default the one that refines.")
    ] = None,
    backend: Backend = None,
    base_url: BaseUrl = None,
    concurrency: Concurrency = None,
    max_iterations: Annotated[int | None, typer.Option(help="Refinements after the draft.")] = None,
    source: Annotated[
        str, typer.Option(help="debugging, or sampling: many drafts of each problem, executed and not refined.")
    ] = "debugging",
    samples: Annotated[int | None, typer.Option(help="With --source sampling: drafts of each problem.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="With --source sampling: temperature of the drafts.")
    ] = None,
    seed: Seed = None,
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    json_: JsonOption = False,
) -> None:
    """Debug problems with CodeFlow: draft, run, refine; a killed run continues where it stopped."""
    settings = read_params(params, set_)
    drafts = {"samples": samples, "temperature": temperature}
    if choose("--source", source, SOURCES) == "debugging" and any(value is not None for value in drafts.values()):
        raise ConfigError("--samples and --temperature are of drafts that are not refined; add --source sampling")
    values = {
        "source": source, "concurrency": concurrency, "max_iterations": max_iterations, "seed": seed,
        "sampling": override(settings.codeflow.sampling, drafts).model_dump(),
        "draft_model": "debugger" if draft_model is None else "student",
    }  # fmt: skip
    codeflow = override(settings.codeflow, values)
    _run(_Asked(problems, out, model, draft_model, backend, base_url, json_), settings, codeflow)


def _run(asked: _Asked, settings: Params, codeflow: CodeflowParams) -> None:
    """Answers are kept beside the output, in `.OUT.answers.sqlite`."""
    from iterpref_core.codeflow.codeflow import CodeflowRun, run_codeflow
    from iterpref_core.codeflow.roles import choose_models
    from iterpref_core.inference.local.checkpoints import EMBEDDED

    if asked.backend is not None:
        choose("--backend", asked.backend, BACKENDS)
    inference = override(settings.inference, {"backend": asked.backend, "base_url": asked.base_url})
    named = settings.model.debugger
    model = asked.model or ("models/debugger" if named == EMBEDDED else named)
    prompt = settings.model.prompt if asked.drafter else "auto"
    models = choose_models(asked.drafter or model, model, codeflow, inference, settings.budget, prompt)
    out = asked.out
    store = out.with_name(f".{out.name}.answers.sqlite")
    run = CodeflowRun(asked.problems, models, codeflow, settings.execution, store)
    show_result(run_codeflow(run, out), asked.as_json)
