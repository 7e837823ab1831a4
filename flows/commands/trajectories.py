"""Verbs that make trajectories: debug, sample."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from flows.commands.shared import DEFAULT_PARAMS, JsonOption, ParamsOption, choose, override, show_result
from iterpref_core.config import BackendName, CodeflowParams, Params, load_params

BACKENDS: tuple[str, ...] = get_args(BackendName)

Problems = Annotated[Path, typer.Option("--problems", help="JSONL of problems.")]
Model = Annotated[
    str | None, typer.Option(help="Folder, hub id, or an endpoint's name for it; model.debugger by default.")
]
Backend = Annotated[str | None, typer.Option(help=f"How it is asked; one of: {', '.join(BACKENDS)}.")]
BaseUrl = Annotated[
    str | None, typer.Option(help="Of backend openai, or several, with commas; the key is read from OPENAI_API_KEY.")
]
Concurrency = Annotated[int | None, typer.Option(help="Calls under way at once.")]
Seed = Annotated[int | None, typer.Option(help="Decides all sampling.")]
Estimate = Annotated[bool, typer.Option("--estimate", help="Work on 1% and say what all will take; that much is kept.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (debug, sample):
        app.command()(verb)


@dataclass(frozen=True)
class _Asked:
    """The options that both verbs have."""

    problems: Path
    out: Path
    model: str | None
    backend: str | None
    base_url: str | None
    estimate: bool
    as_json: bool


def debug(
    problems: Problems,
    out: Annotated[Path, typer.Option(help="Trajectories.")],
    model: Model = None,
    backend: Backend = None,
    base_url: BaseUrl = None,
    concurrency: Concurrency = None,
    max_iterations: Annotated[int | None, typer.Option(help="Refinements after the draft.")] = None,
    seed: Seed = None,
    estimate: Estimate = False,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """CodeFlow with one model: draft, run, refine; a killed run continues where it stopped."""
    settings = load_params(params)
    values = {
        "source": "debugging", "concurrency": concurrency, "max_iterations": max_iterations, "seed": seed,
        "draft_model": "debugger",
    }  # fmt: skip
    codeflow = override(settings.codeflow, values)
    _run(_Asked(problems, out, model, backend, base_url, estimate, json_), settings, codeflow)


def sample(
    problems: Problems,
    out: Annotated[Path, typer.Option(help="Trajectories, of samples that know nothing of each other.")],
    model: Model = None,
    backend: Backend = None,
    base_url: BaseUrl = None,
    samples: Annotated[int | None, typer.Option(help="Drafts of each problem.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of the drafts.")] = None,
    concurrency: Concurrency = None,
    seed: Seed = None,
    estimate: Estimate = False,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Draw many drafts of every problem and run them: debug's baseline; a killed run continues where it stopped."""
    settings = load_params(params)
    drafts = override(settings.codeflow.sampling, {"samples": samples, "temperature": temperature})
    values = {
        "source": "sampling", "concurrency": concurrency, "seed": seed, "sampling": drafts.model_dump(),
        "draft_model": "debugger",
    }  # fmt: skip
    codeflow = override(settings.codeflow, values)
    _run(_Asked(problems, out, model, backend, base_url, estimate, json_), settings, codeflow)


def _run(asked: _Asked, settings: Params, codeflow: CodeflowParams) -> None:
    """Work and answers are kept beside the output: `.OUT.work` until it is written, `.OUT.answers.sqlite` for good."""
    from iterpref_core.codeflow.codeflow import Run, run_codeflow
    from iterpref_core.codeflow.pilot_estimate import estimate_codeflow
    from iterpref_core.codeflow.roles import choose_models
    from tasks.common.paths import DEBUGGER

    if asked.backend is not None:
        choose("--backend", asked.backend, BACKENDS)
    inference = override(settings.inference, {"backend": asked.backend, "base_url": asked.base_url})
    model = asked.model or DEBUGGER
    models = choose_models(model, model, codeflow, inference, settings.budget)
    out = asked.out
    work, store = out.with_name(f".{out.name}.work"), out.with_name(f".{out.name}.answers.sqlite")
    run = Run(asked.problems, models, codeflow, settings.execution, work, store)
    if not asked.estimate:
        show_result(run_codeflow(run, out), asked.as_json)
        return
    found = estimate_codeflow(run).as_dict()
    show_result(found if asked.as_json else _for_people(found), asked.as_json)


def _for_people(found: dict[str, Any]) -> dict[str, str]:
    expected = {
        name: f"{quantity['expected']:,.6g}  (95%: {quantity['ci95'][0]:,.6g} to {quantity['ci95'][1]:,.6g})"
        for name, quantity in found["expected"].items()
    }
    sample = ", ".join(f"{value:,.4g} {name}" for name, value in found["sample"].items())
    tried = f"{found['sampled']:,} of them, {found['solved']:,} solved; this took {sample}, and is kept"
    return {"problems": f"{found['problems']:,}", "tried": tried, **expected}
