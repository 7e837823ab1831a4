"""`iterpref run`, `sweep` and `ui`: run the experiment and grids, and print their results."""

import os
import resource
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iterpref_core.cli.options import (
    FormOption,
    JsonOption,
    ParamsOption,
    SetOption,
    output_file,
    parse_assignments,
    read_values,
    tell_settings,
)
from iterpref_core.cli.printing import show_standings, table_console
from iterpref_core.cli.training_verbs import Objective
from iterpref_core.records import BenchmarkName, load_params, with_values
from iterpref_core.storage.jsonl import write_text
from tasks.dvc.graph import check_root, load_graph
from tasks.paths import RESULTS, SUMMARY
from tasks.stages import evaluation, find_stage, report

if TYPE_CHECKING:
    from flows.sweep import SweepResult
    from iterpref_core.evaluation.report.table_forms import Form


def run(
    stages: Annotated[
        list[str] | None, typer.Argument(help="Stages of dvc.yaml to run, with everything they need; default: all.")
    ] = None,
    set_: SetOption = None,
    params_file: ParamsOption = None,
    jobs: Annotated[
        int, typer.Option(min=1, max=64, help="Number of stages at the same time; each has its own GPU.")
    ] = 2,
    pull: Annotated[bool, typer.Option("--pull", help="First fetch what DVC's remote has of the stages.")] = False,
) -> None:
    """Run DVC's stages, as a Prefect flow where a server is, and print the results; with --set in a git worktree."""
    started = time.monotonic()
    values = read_values(set_, params_file)
    targets = tuple(stages or ())
    check_root()
    tell_settings(with_values(load_params(), values), params_file)
    if pull:
        from tasks.dvc.remote import pull_outputs
        from tasks.lock import only_run

        with only_run():
            pull_outputs(list(load_graph(targets=targets)))
    with _shown_in_prefect() as shown:
        if shown:
            from flows.prefect_flows import experiment

            folder = Path(str(experiment(targets, values, jobs)))
        else:
            from flows.display import Terminal
            from flows.run_stages import bring_up_to_date

            folder = bring_up_to_date(targets, values, jobs, Terminal())
    # Other targets leave the report stale, so its numbers would not be those of this run.
    if (not targets or report.STAGE.name in targets) and (folder / SUMMARY).is_file():
        _print_results(folder)
    else:
        _print_scores(folder, load_graph(folder, targets))
    if values:
        typer.echo(f"results        {os.path.relpath(folder)}")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    hours = (usage.ru_utime + usage.ru_stime) / 3600
    typer.echo(f"time           {time.monotonic() - started:.0f} s, {hours:.2f} CPU hours")


@contextmanager
def _shown_in_prefect() -> Iterator[bool]:
    """Show the flow runs of the block on a running Prefect server. Yield False without a server."""
    from tasks.prefect.server import running_prefect

    # SIGTERM ends a run as Ctrl-C does: its stages end first, and MLflow shows it as killed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = running_prefect()
    if server is None:
        yield False
        return
    from flows.prefect_session import prefect_session

    with prefect_session(server):
        yield True


def sweep(
    preset: Annotated[
        str | None,
        typer.Argument(help="A grid of config/ablations.yaml: `rates`, `tune`, or an ablation of the paper."),
    ] = None,
    objective: Annotated[
        list[Objective] | None,
        typer.Option(help="Objective to train; repeatable. Default: the preset's or dvc.yaml's."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=V1,V2", help="A parameter and its values, in YAML; repeatable."),
    ] = None,
    params_file: ParamsOption = None,
    benchmark: Annotated[
        BenchmarkName | None,
        typer.Option(
            help="Benchmark to score each point on; default: validation, or for own pairs without problems "
            "of that split the first of evaluation.benchmarks."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of trainings for each point.")] = 1,
    jobs: Annotated[
        int, typer.Option(min=1, max=64, help="Number of points at the same time; each has its own GPU.")
    ] = 1,
    form: FormOption = "text",
    out: Annotated[Path | None, output_file(help="File for the table, in the form of --format.")] = None,
    json_: JsonOption = False,
) -> None:
    """Train and score a grid of DVC experiments in a git worktree, and compare each to the first."""
    objectives = tuple(item.value for item in objective or ())
    fixed = read_values(None, params_file)
    values = {key: [value] for key, value in fixed.items()} | _parse_grid(set_)
    check_root()
    tell_settings(with_values(load_params(), fixed), params_file)
    from flows.sweep import FailedPointsError, run_sweep

    try:
        with _shown_in_prefect() as shown:
            if shown:
                from flows.prefect_flows import sweep as sweep_flow

                result = sweep_flow(preset, objectives, values, benchmark, seeds, jobs)
            else:
                from flows.display import Terminal

                result = run_sweep(preset, objectives, values, benchmark, seeds, jobs, Terminal())
    except FailedPointsError as failure:
        # Points that succeeded are printed before the error.
        _print_sweep(failure.result, form, out, json_)
        raise
    _print_sweep(result, form, out, json_)


def ui(
    port: Annotated[
        int | None, typer.Option(min=1, max=65534, help="Port of Prefect's page; MLflow's is the next one.")
    ] = None,
) -> None:
    """Start the pages of Prefect (with experiment and sweep as deployments) and of MLflow; Ctrl-C ends both."""
    check_root()
    load_params()
    load_graph()  # report a broken dvc.yaml now, not in the first run from the page
    from flows.serve import serve_pages  # it imports Prefect, for seconds

    serve_pages(port)


def _parse_grid(assignments: Sequence[str] | None) -> dict[str, list[Any]]:
    """Return the values of each parameter, as YAML reads them in brackets.

    >>> _parse_grid(["training.beta=0.1,0.3", "evaluation.k=[1, 5],[1, 10]", "training.lora={r: 16, lora_alpha: 32}"])
    {'training.beta': [0.1, 0.3], 'evaluation.k': [[1, 5], [1, 10]], 'training.lora': [{'r': 16, 'lora_alpha': 32}]}
    """
    grid: dict[str, list[Any]] = {}
    for text in assignments or ():
        key, equals, values = text.partition("=")
        listed = f"{key}=[{values or 'null'}]" if equals else text
        for name, several in parse_assignments([listed]).items():
            grid.setdefault(name, []).extend(several)
    return grid


def _print_results(folder: Path) -> None:
    from iterpref_core.evaluation.report.standings import summary_standings
    from iterpref_core.evaluation.report.summary import figures
    from iterpref_core.evaluation.report.summary_record import read_summary
    from tasks.paths import REPORTS

    summary = read_summary(folder / SUMMARY)
    summary_standings(summary).print(table_console())
    for name, text in figures(summary):
        typer.echo(f"{name:<15}{text}")
    typer.echo(f"report         {os.path.relpath(folder / REPORTS / 'index.html')}")


def _print_scores(folder: Path, stages: Iterable[str]) -> None:
    """Print the scores of the models that stages of a folder measure, compared with the first of them."""
    from iterpref_core.evaluation.evaluation.results_file import load_model_results
    from iterpref_core.evaluation.scoring.leaderboard import rank_models

    found = map(find_stage, stages)
    models = {item: [load_model_results(folder / RESULTS / item)] for stage, item in found if stage is evaluation.STAGE}
    measured = dict.fromkeys(name for [model] in models.values() for name in model.benchmarks)
    if measured:
        rank_models(models, list(measured)).print(table_console())


def _print_sweep(result: "SweepResult", form: "Form", out: Path | None, as_json: bool) -> None:
    standings, experiments = result
    if not (experiments or as_json):
        return
    # A file takes the form, and the terminal has the table as well.
    printed = "text" if out else form
    show_standings(standings, printed, as_json, experiments=experiments)
    if printed == "text" and not as_json:
        typer.echo("experiments  `dvc exp show --only-changed --drop external`; `dvc exp apply NAME` brings one here")
    if out and experiments:
        write_text(out, standings.text(form))
