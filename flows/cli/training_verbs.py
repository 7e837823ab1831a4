"""Verbs of training."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.path_options import input_option, output_option
from flows.cli.shared import DEFAULT_PARAMS, JsonOption, ParamsOption, choose, override, show_result
from iterpref_core.config import load_params
from iterpref_core.errors import InputError
from iterpref_core.objectives.objectives import OBJECTIVES

PANEL = "Training"
NAMES = tuple(OBJECTIVES)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (check, train):
        app.command(rich_help_panel=PANEL)(verb)


def check(
    pairs: Annotated[Path, input_option("JSONL of pairs.")],
    spans: Annotated[Path, input_option("JSONL of spans.")],
    model: Annotated[
        str,
        input_option("Folder or hub id of the model to train: its tokenizer measures lengths.", kind="path or name"),
    ],
    against: Annotated[
        list[str] | None,
        input_option(
            "A benchmark's JSONL file, or its name; may be given several times. Those that variables name are "
            "always read.",
            kind="path or name",
        ),
    ] = None,
    problems: Annotated[Path, input_option("JSONL of problems, for --against heldout.")] = Path("data/problems.jsonl"),
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Check pairs before training: lengths, error regions, repetitions, overlap; exit 1 if something must stop it."""
    from iterpref_core.inference.local.checkpoint_checks import check_checkpoint
    from iterpref_core.inference.local.tokenizers import load_tokenizer
    from iterpref_core.screening.benchmark_tasks import VARIABLES
    from iterpref_core.screening.contamination import Decontamination
    from iterpref_core.storage.jsonl import read_pairs
    from iterpref_core.training.checks import check_pairs, overlap_findings
    from iterpref_core.training.dataset import count_without_spans, join_spans

    every = load_params(params)
    settings = every.training
    given = [name for name, variable in VARIABLES.items() if variable in os.environ]
    benchmarks = Decontamination([*(against or []), *given], problems, drop=False)
    tokenizer = load_tokenizer(
        check_checkpoint(model, every.model.prompt, loaded=False, trained=True), every.model.prompt
    )
    checks = check_pairs(join_spans(pairs, spans), tokenizer, settings, count_without_spans(pairs, spans))
    if not len(checks):
        raise InputError(f"{spans}: no pair to check; look at the drop reasons of the stages before")
    overlaps = benchmarks.overlaps
    if overlaps:
        for _ in benchmarks.clean(read_pairs(pairs)):  # counts what it finds
            pass
    findings = sorted((*checks.findings(settings), *overlap_findings(overlaps)), key=lambda finding: not finding.stops)
    result = {
        "pairs": len(checks),
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
    pairs: Annotated[Path, input_option("JSONL of pairs.")],
    spans: Annotated[Path, input_option("JSONL of spans.")],
    objective: Annotated[str, typer.Option(help=f"One of: {', '.join(NAMES)}.")],
    model: Annotated[str, input_option("Folder or hub id of the model to train.", kind="path or name")],
    out: Annotated[
        Path | None,
        output_option("Folder for the trained model; its curve goes beside it. Not with --estimate.", kind="folder"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the order of the data.")] = None,
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
    """Train a model on pairs (focal preference training); a killed run continues from its last checkpoint."""
    name = choose("--objective", objective, NAMES)
    every = load_params(params)
    settings = override(every.training, {"seed": seed})
    if estimate:
        from flows.cli.training_costs import show_estimate

        options = {"gpus": gpus, "precision": precision, "mfu": mfu, "total_pairs": total_pairs}
        show_estimate(pairs, spans, model, name, settings, every.model.prompt, options, as_json=json_)
        return
    if out is None:
        raise InputError("--out is missing; name the folder for the trained model (only --estimate needs none)")
    from iterpref_core.training.ranks import is_main_process
    from iterpref_core.training.training import train_objective

    curve, work = out.with_name(f"{out.name}.curve.csv"), out.with_name(f".{out.name}.work")
    result = train_objective(pairs, spans, model, name, settings, out, curve, work, prompt=every.model.prompt)
    if is_main_process():
        show_result(result, json_)
