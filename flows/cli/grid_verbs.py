"""Verbs that train grids: tune, ablate, study, sweep, rounds."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.path_options import input_option, output_option
from flows.cli.shared import DEFAULT_PARAMS, JsonOption, ParamsOption, choose, show_result, show_rows
from iterpref_core.config import load_params
from iterpref_core.errors import InputError
from iterpref_core.objectives.objectives import OBJECTIVES

PANEL = "Grids of trainings"

NAMES = tuple(OBJECTIVES)
SPLITS = ("validation", "heldout")
STUDY_FIGURES = Path(".iterpref/study")
JobsOption = Annotated[int, typer.Option("--jobs", min=1, help="Trials at once, sharing the cores.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (tune, ablate, study, sweep, rounds):
        app.command(rich_help_panel=PANEL)(verb)


def tune(
    objective: Annotated[
        list[str] | None, typer.Option(help=f"May be given several times. One of: {', '.join(NAMES)}.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All objectives.")] = False,
    jobs: JobsOption = 2,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Choose learning rate and alpha on the validation split; run `iterpref run localization` first."""
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
    """Train and score one of the paper's ablations, beside its figures; run `iterpref run localization` first."""
    from iterpref_core.report.paper_ablations import describe_figures, paper_figures
    from iterpref_core.report.score_table import model_title
    from tasks.common.paths import REPORT_DATA
    from tasks.grids.ablations import load_grid, run_grid

    settings = load_params(params)
    grid = load_grid(name, settings)
    paper = paper_figures(REPORT_DATA, name, [row.label for row in grid])  # a broken file costs no training
    rows = run_grid(name, grid, settings, choose("--split", split, SPLITS), seeds, jobs)
    ours = f"{model_title(settings.model.student)}, {rows[0].n} problems of split {split}"
    show_rows(name, rows, json_, paper, describe_figures(paper, ours) if paper else None)


def study(
    regime: Annotated[
        list[str] | None, typer.Option(help="Where training starts (docs/study.md); repeatable, all by default.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Only this one beside SFT; repeatable. By default those of the regime (docs/study.md)."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="The smaller effort of params.yaml, habits alone: 45 minutes.")
    ] = False,
    choose_only: Annotated[
        Path | None,
        output_option("Only tune, and add the chosen configurations to this file, for you to commit.", "--choose"),
    ] = None,
    chosen: Annotated[
        Path | None, input_option("A committed file of --choose: score its configurations on held-out problems.")
    ] = None,
    figures: Annotated[Path, output_option("Draw figures there, as SVG.", kind="folder")] = STUDY_FIGURES,
    jobs: JobsOption = 2,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Compare all methods, tuned and as published, over fresh seeds on held-out problems; hours, resumable."""
    from tasks.grids.study import QUICK, REGIMES, Study
    from tasks.grids.study_choices import add_choice, load_choices, read_choices, write_choices
    from tasks.grids.study_figure import FIGURES, draw_rates, draw_study
    from tasks.grids.study_methods import LABELS, REFERENCE

    if choose_only is not None and chosen is not None:
        raise InputError("--choose tunes, and --chosen trains what was tuned before; give one of them")
    names = [choose("--regime", name, tuple(REGIMES)) for name in regime or (QUICK if quick else REGIMES)]
    only = [choose("--method", label, LABELS) for label in method or ()]
    committed, commit = read_choices(chosen, names, [REFERENCE, *only]) if chosen is not None else ({}, None)
    kept = load_choices(choose_only) if choose_only is not None else {}
    loaded, found = load_params(params), []
    studies = {name: Study(loaded, name, jobs, quick=quick, only=only) for name in names}
    for name, one in studies.items():
        found.append((one, committed[name] if chosen is not None else one.choose()))
        if choose_only is not None:
            kept = add_choice(choose_only, kept, found[-1][1])
            write_choices(choose_only, kept.values())
    if choose_only is not None:
        draw_rates(list(kept.values()), figures)
        typer.echo(f"chosen   {choose_only}; commit it, and go on with --chosen\nfigure   {figures / 'rates.svg'}")
        return
    results = [one.hold_out(choice, commit) for one, choice in found]
    draw_study(results, figures)
    if json_:
        typer.echo(json.dumps([one.model_dump() for one in results], indent=2))
        return
    for result in results:
        for how, rows in (("tuned", result.tuned), ("as published", result.published)):
            show_rows(f"{result.choice.regime}, {how}, compared to the start", rows, as_json=False)
        show_rows(f"{result.choice.regime}, tuned, compared to SFT", result.tuned_against_sft, as_json=False)
    typer.echo(f"figures  {', '.join(str(figures / name) for name in FIGURES)}")


def sweep(
    objective: Annotated[
        list[str] | None, typer.Option(help="Train this objective; repeatable. By default those of dvc.yaml.")
    ] = None,
    beta: Annotated[
        list[float] | None, typer.Option(help="Train with this beta; repeatable. By default that of params.yaml.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Train with this seed; repeatable. By default that of params.yaml.")
    ] = None,
    benchmark: Annotated[
        list[str] | None, typer.Option(help="Evaluate on this one; repeatable. `validation` by default.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many stages may run at once.")] = 2,
    json_: JsonOption = False,
) -> None:
    """Train every objective at every beta with every seed, in a copy; each beta and seed is a DVC experiment."""
    from flows.cli.run_sweep import run_sweep
    from tasks.orchestration.run_options import parse_grid

    grid = parse_grid(objective or (), beta or (), seed or (), benchmark or ("validation",))
    run_sweep(jobs, json_, **grid)


def rounds(
    count: Annotated[int, typer.Option(min=1, max=20, help="Rounds of each objective.")] = 2,
    objective: Annotated[
        list[str] | None, typer.Option(help="Repeatable, each on its own. By default sft and target-rpo.")
    ] = None,
    benchmark: Annotated[
        list[str] | None, typer.Option(help="Evaluate on this one; repeatable. `validation` by default.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="A file in profiles/; by default params.yaml as it is.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many stages may run at once.")] = 2,
    json_: JsonOption = False,
) -> None:
    """Let the trained model draft again, debug its failures and train on; each round is a DVC experiment."""
    from flows.cli.run_rounds import run_rounds
    from tasks.orchestration.run_options import UNCHANGED, parse_choice

    chosen = parse_choice(profile or UNCHANGED, objective or ("sft", "target-rpo"), benchmark or ("validation",), ())
    del chosen["seeds"]
    run_rounds(jobs, json_, count=count, **chosen)
