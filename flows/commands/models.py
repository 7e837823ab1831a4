"""Verbs that work on models: train, tune, evaluate."""

import json
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from flows.commands.shared import DEFAULT_PARAMS, JsonOption, ParamsOption, choose, override, show_result
from iterpref_core.config import Benchmark, ObjectiveName, load_params
from iterpref_core.errors import InputError

OBJECTIVES: tuple[str, ...] = get_args(ObjectiveName)
BENCHMARKS: tuple[str, ...] = get_args(Benchmark)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (train, tune, evaluate):
        app.command()(verb)


def train(
    pairs: Annotated[Path, typer.Option(help="JSONL of pairs.")],
    spans: Annotated[Path, typer.Option(help="JSONL of spans.")],
    objective: Annotated[str, typer.Option(help=f"One of: {', '.join(OBJECTIVES)}.")],
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
    lora_rank: Annotated[int, typer.Option(min=0, help="With --estimate: 0 trains every parameter.")] = 0,
    total_pairs: Annotated[
        int | None,
        typer.Option(min=1, help="With --estimate: how many pairs there will be, of which these are a sample."),
    ] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Focal preference training; a killed run continues from its last checkpoint."""
    name = cast("ObjectiveName", choose("--objective", objective, OBJECTIVES))
    every = load_params(params)
    settings = override(every.train, {"seed": seed})
    if estimate:
        from flows.commands.estimate import show_estimate

        options = {"gpus": gpus, "precision": precision, "mfu": mfu, "lora_rank": lora_rank, "total_pairs": total_pairs}
        show_estimate(pairs, spans, str(model), name, settings, every.model.prompt, options, as_json=json_)
        return
    if out is None:
        raise InputError("--out is missing; name the folder for the trained model (only --estimate needs none)")
    from iterpref_core.training.train import train_objective

    curve, work = out.with_name(f"{out.name}.curve.csv"), out.with_name(f".{out.name}.work")
    result = train_objective(pairs, spans, model, name, settings, out, curve, work, prompt=every.model.prompt)
    show_result(result, json_)


def tune(
    jobs: Annotated[int, typer.Option(min=1, help="Trials at once, sharing the cores.")] = 2,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Choose learning rate and alpha of every objective on the validation split; needs the stages up to focal."""
    from tasks.tuning import best_of
    from tasks.tuning import tune as run_grid

    trials = run_grid(load_params(params), jobs)
    best = best_of(trials)
    names = {f"{t.objective} lr={t.learning_rate:g} alpha={t.alpha:g}": t for t in trials}
    chosen = {name: " <- best" if best[t.objective] is t else "" for name, t in names.items()}
    if json_:
        typer.echo(json.dumps([t.model_dump() | {"best": best[t.objective] is t} for t in trials], indent=2))
    else:
        show_result({name: f"{t.pass_at_1:.1%} of {t.n}{chosen[name]}" for name, t in names.items()}, as_json=False)


def evaluate(
    benchmark: Annotated[str, typer.Option(help=f"One of: {', '.join(BENCHMARKS)}.")],
    out: Annotated[Path, typer.Option(help="Folder for results.json and samples.jsonl.")],
    model: Annotated[Path | None, typer.Option(help="Folder of the model that answers.")] = None,
    samples: Annotated[Path | None, typer.Option(help="Score these samples instead.")] = None,
    ground_truth: Annotated[bool, typer.Option(help="Score the benchmark's own solutions instead.")] = False,
    problems: Annotated[Path, typer.Option(help="JSONL of problems, for heldout.")] = Path("data/problems.jsonl"),
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Samples, verdicts, pass@1 of one benchmark."""
    from iterpref_core.evaluation import evaluate as core
    from tasks.common.paths import WORK

    name = cast("Benchmark", choose("--benchmark", benchmark, BENCHMARKS))
    settings = load_params(params)
    cache = WORK / "evaluate"
    if sum([model is not None, samples is not None, ground_truth]) != 1:
        raise InputError("give exactly one of --model, --samples and --ground-truth")
    if samples is not None:
        result = core.score_samples(samples, name, problems, settings.execution, out=out, cache=cache)
    elif model is not None:
        chosen = override(settings.evaluate, {"benchmarks": (name,)})
        result = core.evaluate_model(
            model.name, model, problems, chosen, settings.execution, out, cache, settings.model.prompt
        )
    else:
        result = core.score_ground_truth(name, problems, settings.execution, out=out, cache=cache)
    show_result(result, json_)
