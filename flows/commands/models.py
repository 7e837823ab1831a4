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
    model: Annotated[Path, typer.Option(help="Folder of the model to train.")],
    out: Annotated[Path, typer.Option(help="Folder for the trained model; its curve goes beside it.")],
    seed: Annotated[int | None, typer.Option(help="Decides the order of the data.")] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Focal preference training; a killed run continues from its last checkpoint."""
    from iterpref_core.training.processes import is_main_process
    from iterpref_core.training.train import train_objective

    name = cast("ObjectiveName", choose("--objective", objective, OBJECTIVES))
    settings = override(load_params(params).train, {"seed": seed})
    curve, work = out.with_name(f"{out.name}.curve.csv"), out.with_name(f".{out.name}.work")
    result = train_objective(pairs, spans, model, name, settings, out, curve, work)
    if is_main_process():
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
        result = core.evaluate_model(model.name, model, problems, chosen, settings.execution, out=out, cache=cache)
    else:
        result = core.score_ground_truth(name, problems, settings.execution, out=out, cache=cache)
    show_result(result, json_)
