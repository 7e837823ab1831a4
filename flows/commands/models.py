"""Verbs that work on models: check, train, tune, ablate, study, evaluate, gate, export."""

import json
import os
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from flows.commands.shared import DEFAULT_PARAMS, JsonOption, ParamsOption, choose, override, show_result, show_rows
from iterpref_core.config import Benchmark, load_params
from iterpref_core.errors import InputError
from iterpref_core.objectives.objectives import OBJECTIVES

NAMES = tuple(OBJECTIVES)
BENCHMARKS: tuple[str, ...] = get_args(Benchmark)
SPLITS = ("validation", "heldout")

JobsOption = Annotated[int, typer.Option("--jobs", min=1, help="Trials at once, sharing the cores.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (check, train, tune, ablate, study, evaluate, gate, export):
        app.command()(verb)


def check(
    pairs: Annotated[Path, typer.Option(help="JSONL of pairs.")],
    spans: Annotated[Path, typer.Option(help="JSONL of spans.")],
    model: Annotated[Path, typer.Option(help="Folder of the model to train: its tokenizer measures lengths.")],
    against: Annotated[
        list[Path] | None,
        typer.Option(help="JSONL of benchmark tasks or held-out problems; those that variables name are always read."),
    ] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Look at the data before training: lengths, D-, repetitions, benchmarks; exit 1 if something must stop a run."""
    from iterpref_core.inference.local.tokenizers import load_tokenizer
    from iterpref_core.screening.benchmark_tasks import VARIABLES
    from iterpref_core.screening.contamination import Decontamination
    from iterpref_core.storage.jsonl import read_pairs
    from iterpref_core.training.benchmark_overlap import overlap_findings
    from iterpref_core.training.checks import check_pairs
    from iterpref_core.training.dataset import join_spans

    every = load_params(params)
    settings = every.training
    given = [name for name, variable in VARIABLES.items() if variable in os.environ]
    benchmarks = Decontamination([*map(str, against or []), *given], None, drop=False)
    checks = check_pairs(join_spans(pairs, spans), load_tokenizer(model, every.model.prompt), settings)
    if not checks.pairs:
        raise InputError(f"{spans}: no pair to check; look at the drop reasons of the stages before")
    for _ in benchmarks.clean(read_pairs(pairs)):
        pass
    overlaps = benchmarks.overlaps
    findings = sorted((*checks.findings(settings), *overlap_findings(overlaps)), key=lambda finding: not finding.stops)
    result = {
        "pairs": checks.pairs,
        "benchmark_tasks": sum(overlap.tasks for overlap in overlaps.values()),
    } | checks.numbers()
    if json_:
        found = [{"stops": finding.stops, "text": finding.text} for finding in findings]
        typer.echo(json.dumps(result | {"histogram": checks.histogram(), "findings": found}, indent=2))
    else:
        show_result(result, as_json=False)
        for name, bins in checks.histogram().items():
            typer.echo(f"{name} tokens: " + ", ".join(f"{label}: {count}" for label, count in bins.items()))
        for finding in findings:
            typer.echo(f"{'STOP' if finding.stops else 'look'}: {finding.text}")
    if any(finding.stops for finding in findings):
        raise typer.Exit(1)


def train(
    pairs: Annotated[Path, typer.Option(help="JSONL of pairs.")],
    spans: Annotated[Path, typer.Option(help="JSONL of spans.")],
    objective: Annotated[str, typer.Option(help=f"One of: {', '.join(NAMES)}.")],
    model: Annotated[Path, typer.Option(help="Folder of the model to train; with --estimate also a hub id.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the trained model; its curve goes beside it. Not with --estimate.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Decides the order of the data.")] = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Print memory and GPU-hours; train nothing.")] = False,
    gpus: Annotated[int, typer.Option(min=1, help="With --estimate: cards that share model and batch.")] = 1,
    precision: Annotated[
        str | None, typer.Option(help="With --estimate: bf16, mixed, autocast or fp32; by default as training does.")
    ] = None,
    mfu: Annotated[
        float, typer.Option(min=0.01, max=1, help="With --estimate: share of a card's peak that training reaches.")
    ] = 0.4,
    total_pairs: Annotated[
        int | None,
        typer.Option(min=1, help="With --estimate: how many pairs there will be, of which these are a sample."),
    ] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Focal preference training; a killed run continues from its last checkpoint."""
    name = choose("--objective", objective, NAMES)
    every = load_params(params)
    settings = override(every.training, {"seed": seed})
    if estimate:
        from flows.commands.estimate import show_estimate

        options = {"gpus": gpus, "precision": precision, "mfu": mfu, "total_pairs": total_pairs}
        show_estimate(pairs, spans, str(model), name, settings, every.model.prompt, options, as_json=json_)
        return
    if out is None:
        raise InputError("--out is missing; name the folder for the trained model (only --estimate needs none)")
    from iterpref_core.training.ranks import is_main_process
    from iterpref_core.training.training import train_objective

    curve, work = out.with_name(f"{out.name}.curve.csv"), out.with_name(f".{out.name}.work")
    result = train_objective(pairs, spans, model, name, settings, out, curve, work, prompt=every.model.prompt)
    if is_main_process():
        show_result(result, json_)


def tune(
    objective: Annotated[
        list[str] | None, typer.Option(help=f"May be given several times. One of: {', '.join(NAMES)}.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All objectives.")] = False,
    jobs: JobsOption = 2,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Choose learning rate and alpha of objectives on the validation split; needs all up to localization."""
    from tasks.grids.tuning import best_of, count_trainings
    from tasks.grids.tuning import tune as run_grid

    settings = load_params(params)
    names = [choose("--objective", name, NAMES) for name in dict.fromkeys(objective or ())]
    if every and names:
        raise InputError("give --objective or --all, not both")
    planned = count_trainings(names or NAMES, settings)
    if not every and not names:
        raise InputError(f"no objective is named: all of them are {planned}; name some by --objective, or give --all")
    typer.echo(f"tune: {planned}; what an earlier run has finished is kept", err=True)
    scored = run_grid(settings, names or NAMES, jobs)
    best = best_of(scored)
    if json_:
        found = [t.model_dump() | s.model_dump() | {"best": t in best.values()} for t, s in scored]
        typer.echo(json.dumps(found, indent=2))
    else:
        chosen = {t.label: " <- best" if t in best.values() else "" for t, _ in scored}
        show_result({t.label: f"{s.pass_at_1:.1%} of {s.n}{chosen[t.label]}" for t, s in scored}, as_json=False)


def ablate(
    name: Annotated[str, typer.Argument(help="A grid of ablations.yaml.")],
    split: Annotated[str, typer.Option(help=f"Problems to score on: {' or '.join(SPLITS)}.")] = SPLITS[0],
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each row.")] = 1,
    jobs: JobsOption = 2,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Train and score the rows of one of the paper's ablations; needs all up to localization."""
    from tasks.grids.ablations import load_grid, run_grid

    settings = load_params(params)
    rows = run_grid(name, load_grid(name, settings), settings, choose("--split", split, SPLITS), seeds, jobs)
    show_rows(name, rows, json_)


def study(
    regime: Annotated[list[str] | None, typer.Option(help="base or sft; both by default.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw it, as SVG or PNG.")] = None,
    jobs: JobsOption = 2,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Compare all methods over fresh seeds on held-out problems; hours, resumable. Needs all up to localization."""
    from tasks.grids.study import REGIMES, run_study
    from tasks.grids.study_figure import draw_study

    chosen = [choose("--regime", name, REGIMES) for name in regime or REGIMES]
    if figure is not None and figure.suffix not in (".svg", ".png"):
        raise InputError(f"--figure {figure}: not a picture that can be drawn; end its name in .svg or .png")
    found = run_study(load_params(params), chosen, jobs)
    if figure is not None:
        draw_study(found, figure)
    if json_:
        typer.echo(json.dumps([one.model_dump() for one in found], indent=2))
        return
    for one in found:
        show_rows(f"start: {one.regime}, compared to it", one.rows, as_json=False)
        show_rows(f"start: {one.regime}, compared to SFT", one.against_sft, as_json=False)


def evaluate(
    benchmark: Annotated[str, typer.Option(help=f"One of: {', '.join(BENCHMARKS)}.")],
    out: Annotated[Path, typer.Option(help="Folder for results.json and samples.jsonl.")],
    model: Annotated[Path | None, typer.Option(help="Folder of the model that answers.")] = None,
    samples: Annotated[Path | None, typer.Option(help="Score these samples instead.")] = None,
    ground_truth: Annotated[bool, typer.Option(help="Score the benchmark's own solutions instead.")] = False,
    problems: Annotated[Path, typer.Option(help="JSONL of problems, for heldout and validation.")] = Path(
        "data/problems.jsonl"
    ),
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Samples, verdicts, pass@1 (and pass@5) of one benchmark."""
    from iterpref_core.evaluation import evaluation as core
    from tasks.common.paths import ANSWERS, WORK

    name = cast("Benchmark", choose("--benchmark", benchmark, BENCHMARKS))
    settings = load_params(params)
    cache, limits = WORK / "evaluation", (settings.evaluation.livecodebench, settings.execution)
    if sum([model is not None, samples is not None, ground_truth]) != 1:
        raise InputError("give exactly one of --model, --samples and --ground-truth")
    if samples is not None:
        result = core.score_samples(samples, name, problems, *limits, out=out, cache=cache)
    elif model is not None:
        chosen = override(settings.evaluation, {"benchmarks": (name,)})
        asked = (settings.inference, settings.budget, settings.model.prompt)
        result = core.evaluate_model(
            model.name, model, problems, chosen, settings.execution, out, cache, *asked, bought=ANSWERS
        )
    else:
        result = core.score_ground_truth(name, problems, *limits, out=out, cache=cache)
    show_result(result, json_)


def gate(
    baseline: Annotated[Path, typer.Option(help="Folder of results, or a results.json: what to compare with.")],
    candidate: Annotated[Path, typer.Option(help="The same of the model in question.")],
    benchmark: Annotated[
        list[str] | None, typer.Option(help="May be given several times; by default all that the baseline has.")
    ] = None,
    alpha: Annotated[
        float, typer.Option(min=0, max=1, help="How often a candidate that is no worse may fail, over all benchmarks.")
    ] = 0.05,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Exit 1 if the candidate is significantly worse: one-sided paired test on the same tasks, Holm-corrected."""
    from iterpref_core.report.regression_gate import compare_with_baseline

    settings = load_params(params).evaluation
    found = compare_with_baseline(baseline, candidate, benchmark or (), alpha, settings.bootstrap, settings.seed)
    typer.echo(json.dumps(found.to_json(), indent=2) if json_ else "\n".join(found.lines()))
    if found.worse:
        raise typer.Exit(1)


def export(
    model: Annotated[Path, typer.Option(help="Folder of the trained model, such as models/trained/target-rpo.")],
    out: Annotated[Path, typer.Option(help="Folder to write; one that holds something is refused.")],
    name: Annotated[str | None, typer.Option(help="Title of the model card; by default the folder's name.")] = None,
    summary: Annotated[Path, typer.Option(help="The report's summary.json: scores, data, parameters.")] = Path(
        "reports/summary.json"
    ),
    problems: Annotated[Path, typer.Option(help="JSONL of problems, whose sources the card names.")] = Path(
        "data/problems.jsonl"
    ),
    json_: JsonOption = False,
) -> None:
    """Write a trained model as a plain Hugging Face folder with a model card made from its results."""
    from iterpref_core.report.model_card import EMBEDDED, model_card
    from iterpref_core.report.summary import read_summary
    from iterpref_core.training.export_model import count_sources, export_model, find_license
    from tasks.recording.tracking import clean_commit

    found = read_summary(summary)
    base = found["provenance"]["params"]["model"]["student"]
    card = model_card(
        found,
        model.name,
        name or out.name,
        license=None if base == EMBEDDED else find_license(base),
        sources=count_sources(problems),
        commit=clean_commit(),
    )
    show_result(export_model(model, out, card), json_)
