"""Verbs about the whole project: run, sweep, ui, bench, doctor, profile."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.shared import DEFAULT_PARAMS, JsonOption, ParamsOption, choose
from iterpref_core.config import load_params

BENCHMARKS = ("evaluation", "execution", "generation", "localization", "pipeline", "training")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (run, sweep, ui, bench, doctor, profile):
        app.command()(verb)


def run(
    stages: Annotated[
        list[str] | None, typer.Argument(help="Stages of dvc.yaml, with all they need; all by default.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many stages may run at once.")] = 2,
    profile: Annotated[
        str, typer.Option(help="Run with this profile's values, in a copy; params.yaml stays.")
    ] = "unchanged",
    objective: Annotated[list[str] | None, typer.Option(help="Train this one; repeatable. In a copy.")] = None,
    benchmark: Annotated[list[str] | None, typer.Option(help="Evaluate on this one; repeatable. In a copy.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Train with this one; repeatable. In copies.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Run the named stages even where nothing changed.")] = False,
) -> None:
    """Run the experiment: DVC's stages as a Prefect flow, then the results table."""
    from flows.commands.run_experiment import run_experiment
    from tasks.orchestration.run_options import parse_choice

    chosen = parse_choice(profile, objective or (), benchmark or (), seed or ())
    run_experiment(stages or [], jobs, force=force, **chosen)


def sweep(
    objective: Annotated[
        list[str] | None, typer.Option(help="Train this one; repeatable. Those of dvc.yaml by default.")
    ] = None,
    beta: Annotated[list[float] | None, typer.Option(help="Repeatable. That of params.yaml by default.")] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Of training; repeatable. That of params.yaml by default.")
    ] = None,
    benchmark: Annotated[
        list[str] | None, typer.Option(help="Evaluate on this one; repeatable. `validation` by default.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many stages may run at once.")] = 2,
    json_: JsonOption = False,
) -> None:
    """Train every objective at every beta with every seed, in a copy; each beta and seed is a DVC experiment."""
    from flows.commands.run_sweep import run_sweep
    from tasks.orchestration.run_options import parse_grid

    grid = parse_grid(objective or (), beta or (), seed or (), benchmark or ("validation",))
    run_sweep(jobs, json_, **grid)


def ui() -> None:
    """Start the Prefect server, with experiment and sweep served, and MLflow's interface; Ctrl-C stops them."""
    from flows.commands.interfaces import serve_interfaces

    load_params()
    serve_interfaces()


def bench(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(BENCHMARKS)}.")],
    problems: Annotated[
        Path,
        typer.Option(
            help="For localization and training: JSONL of problems with references and tests, such as MBPP's."
        ),
    ] = Path("problems/mbpp.jsonl"),
    trajectories: Annotated[int, typer.Option(min=1, help="For generation: problems that are debugged.")] = 2000,
    latency: Annotated[float, typer.Option(min=0, help="For generation: median of an answer's time, seconds.")] = 1.0,
    many: Annotated[int, typer.Option(min=1000, help="For generation: problems of the run for memory.")] = 100_000,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Measure something side by side."""
    from flows.commands.shared import show_result
    from tasks.benchmarks.bench_evaluation import bench_evaluation
    from tasks.benchmarks.bench_execution import bench_execution
    from tasks.benchmarks.bench_generation import bench_generation
    from tasks.benchmarks.bench_localization import bench_localization
    from tasks.benchmarks.bench_pipeline import bench_pipeline
    from tasks.benchmarks.bench_training import bench_training
    from tasks.common.paths import WORK

    choose("bench", name, BENCHMARKS)
    settings = load_params(params)
    match name:
        case "evaluation":
            result = bench_evaluation(WORK / "evaluation", settings.execution.workers)
        case "execution":
            result = bench_execution(WORK / "evaluation")
        case "generation":
            result = bench_generation(settings.codeflow, settings.execution, trajectories, latency, many)
        case "localization":
            result = bench_localization(problems, settings.execution, settings.localization.max_executions)
        case "training":
            experiment = Path("data/pairs.jsonl"), Path("data/focal.jsonl"), Path("models/student")
            result = bench_training(problems, *experiment, settings.training)
        case _:
            result = bench_pipeline(Path.cwd())
    show_result({name: result} if json_ else result, json_)


def doctor(params: ParamsOption = DEFAULT_PARAMS, json_: JsonOption = False) -> None:
    """Probe isolation, versions, data, services and accelerator; exit 1 if something needed is missing."""
    from rich.console import Console
    from rich.table import Table

    from tasks.orchestration.doctor import examine

    findings = examine(load_params(params))
    if json_:
        typer.echo(json.dumps([finding.model_dump() for finding in findings], indent=2))
    else:
        table = Table("", "what", "found", "remedy", box=None)
        for finding in findings:
            table.add_row(finding.mark, finding.name, finding.found, finding.remedy)
        Console().print(table)
    if any(finding.blocks for finding in findings):
        raise typer.Exit(1)


def profile(
    name: Annotated[str, typer.Argument(help="A file in profiles/, without its suffix.")],
    params: ParamsOption = DEFAULT_PARAMS,
) -> None:
    """Write a profile's values into the parameters; comments and all other values stay."""
    from tasks.orchestration.profiles import apply_profile

    for line in apply_profile(name, params):
        typer.echo(line)
