"""Verbs that make trajectories, and what models answered for them."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.path_options import input_option, output_option
from flows.cli.shared import (
    BACKENDS,
    DEFAULT_PARAMS,
    JsonOption,
    ParamsOption,
    ProblemsOption,
    choose,
    override,
    show_result,
)
from iterpref_core.config import CodeflowParams, Params, load_params
from iterpref_core.errors import ConfigError, InputError
from iterpref_core.report.labels import OUTCOMES
from iterpref_core.report.number_formats import difference

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
Estimate = Annotated[
    bool, typer.Option("--estimate", help="Debug 1% of the problems, keep them, and estimate the rest.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (debug, explore, compare_sources, answers):
        app.command(rich_help_panel=PANEL)(verb)


@dataclass(frozen=True)
class _Asked:
    """What is asked of which model, and where it goes."""

    problems: Path
    out: Path
    model: str | None
    drafter: str | None
    backend: str | None
    base_url: str | None
    estimate: bool
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
    estimate: Estimate = False,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Debug problems with CodeFlow: draft, run, refine; a killed run continues where it stopped."""
    settings = load_params(params)
    drafts = {"samples": samples, "temperature": temperature}
    if choose("--source", source, SOURCES) == "debugging" and any(value is not None for value in drafts.values()):
        raise ConfigError("--samples and --temperature are of drafts that are not refined; add --source sampling")
    values = {
        "source": source, "concurrency": concurrency, "max_iterations": max_iterations, "seed": seed,
        "sampling": override(settings.codeflow.sampling, drafts).model_dump(),
        "draft_model": "debugger" if draft_model is None else "student",
    }  # fmt: skip
    codeflow = override(settings.codeflow, values)
    _run(_Asked(problems, out, model, draft_model, backend, base_url, estimate, json_), settings, codeflow)


def _run(asked: _Asked, settings: Params, codeflow: CodeflowParams) -> None:
    """Work and answers are kept beside the output: `.OUT.work` until it is written, `.OUT.answers.sqlite` for good."""
    from iterpref_core.codeflow.codeflow import CodeflowRun, run_codeflow
    from iterpref_core.codeflow.pilot_estimate import estimate_codeflow
    from iterpref_core.codeflow.roles import choose_models
    from iterpref_core.inference.local.checkpoints import EMBEDDED
    from tasks.common.paths import DEBUGGER

    if asked.backend is not None:
        choose("--backend", asked.backend, BACKENDS)
    inference = override(settings.inference, {"backend": asked.backend, "base_url": asked.base_url})
    named = settings.model.debugger
    model = asked.model or (DEBUGGER if named == EMBEDDED else named)
    prompt = settings.model.prompt if asked.drafter else "auto"
    models = choose_models(asked.drafter or model, model, codeflow, inference, settings.budget, prompt)
    out = asked.out
    work, store = out.with_name(f".{out.name}.work"), out.with_name(f".{out.name}.answers.sqlite")
    run = CodeflowRun(asked.problems, models, codeflow, settings.execution, work, store)
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


def explore(
    trajectories: Annotated[Path, input_option("JSONL of trajectories.")],
    out: Annotated[Path, output_option("The page; with --every also FILE-2.html and so on.")],
    problems: Annotated[Path | None, input_option("JSONL of problems, for their prompts.")] = None,
    pairs: Annotated[Path | None, input_option("JSONL of the pairs that were made of the trajectories.")] = None,
    spans: Annotated[Path | None, input_option("JSONL of the pairs' spans.")] = None,
    results: Annotated[
        Path | None, input_option("Folder with a folder of `evaluate` for each model.", kind="folder")
    ] = None,
    task_id: Annotated[list[str] | None, typer.Option(help="Show this problem; repeatable.")] = None,
    outcome: Annotated[
        list[str] | None, typer.Option(help=f"Show this outcome; repeatable; one of: {', '.join(OUTCOMES)}.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Trajectories of a page, at most.")] = 500,
    every: Annotated[bool, typer.Option("--every", help="All of them, on several pages, in the file's order.")] = False,
    model: Annotated[
        str | None, input_option("Model before training; with --trained, colors tokens.", kind="path or name")
    ] = None,
    trained: Annotated[
        str | None, input_option("Model after training: colors each token's change.", kind="path or name")
    ] = None,
    params: ParamsOption = DEFAULT_PARAMS,
) -> None:
    """Write a page of trajectories to step through, attempt by attempt, and of models' answers to the same tasks."""
    from iterpref_core.report.explorer_page import Explored, Selection, write_explorer

    if (model is None) != (trained is None):
        raise InputError("--model and --trained belong together: the model before and the one after training")
    if model is not None and pairs is None:
        raise InputError("--model and --trained color the tokens of pairs; name these with --pairs")
    outcomes = [choose("--outcome", name, tuple(OUTCOMES)) for name in outcome or ()]
    settings, shifts = load_params(params), None
    if model is not None and trained is not None:
        from iterpref_core.training.shifts import score_shifts

        training, style = settings.training, settings.model.prompt
        shifts = partial(score_shifts, before=model, after=trained, params=training, prompt=style)
    files = Explored(trajectories, problems, pairs, spans, results, settings, shifts)
    pages = write_explorer(files, out, Selection(task_id or (), outcomes, limit, every))
    typer.echo(f"{out}" if pages == 1 else f"{out} and {pages - 1:,} more")


def compare_sources(
    debugging: Annotated[Path, input_option("JSONL of trajectories that debug wrote.")],
    sampling: Annotated[Path, input_option("JSONL of trajectories of --source sampling, of the same problems.")],
    out: Annotated[
        Path | None, output_option("CSV with a row for every number of calls; the report draws report_data/calls.csv.")
    ] = None,
    hardest: Annotated[
        int | None,
        typer.Option(min=1, help="Only so many: those that the fewest samples solve (paper: 5000)."),
    ] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Count the problems that N calls solve, by debugging and by sampling, among those whose draft fails."""
    from iterpref_core.codeflow import source_comparison as calls

    settings = load_params(params).evaluation
    problems, rows = calls.compare_sources(
        debugging, sampling, hardest, resamples=settings.bootstrap, seed=settings.seed
    )
    if out is not None:
        calls.write_comparison(problems, rows, out)
    if json_:
        show_result({"problems": problems, "rows": [asdict(row) for row in rows]}, as_json=True)
        return
    last = max((row.calls for row in rows if row.debugging), default=0)
    shown = {
        f"{row.calls} calls": "   ".join(
            f"{name} " + (f"{side.solved} solved by {side.spent}" if side else "–")
            for name, side in (("debugging", row.debugging), ("sampling", row.sampling))
        )
        + (f"   points: {difference(asdict(row.paired))}" if row.paired else "")
        for row in rows
        if row.calls % 5 == 0 or row.calls in {1, last}
    }
    show_result({"problems whose draft fails": problems, **shown}, as_json=False)


def answers(
    store: Annotated[Path, input_option("SQLite file of answers that a run has kept.")],
    out: Annotated[Path, output_option("JSONL of recorded answers, for backend replay.")],
    model: Annotated[
        str | None, typer.Option(help="Whose; needed where the store has several models' answers.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Turn the answers that were kept into a recording, which can be replayed without a model."""
    from iterpref_core.inference.replay import write_recording

    show_result(write_recording(store, out, model), json_)
