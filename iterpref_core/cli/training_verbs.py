"""The verbs of training."""

import json
import os
from collections.abc import Collection, Sequence
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from iterpref_core.records import OBJECTIVES, PUBLISHED, ConfigError, InputError, Params
from iterpref_core.storage.state_folder import PROBLEMS, WORK

from .options import (
    DroppedOption,
    JsonOption,
    PairsOption,
    ParamsOption,
    SetOption,
    input_file,
    output_file,
    output_folder,
    parse_assignments,
    read_params,
    warn_of_demo_values,
)
from .printing import print_text, show_result

Objective = Enum("Objective", {name: name for name in OBJECTIVES})  # type: ignore[misc]


def check(
    further: Annotated[
        list[Path] | None, typer.Argument(metavar="[PROBLEMS]...", help="More files of problems.", exists=True)
    ] = None,
    pairs: Annotated[Path | None, input_file(help="JSONL of pairs with at least prompt, chosen and rejected.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Folder or hub id of the model to train: lengths, and NLL of the repairs.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="Name or JSONL file of a benchmark; repeatable. Files that environment variables name are always read."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        output_file(
            help="JSONL for what overlaps with no benchmark: pairs, with --model each with nll and logp_margin; or "
            "problems that repeat no other."
        ),
    ] = None,
    problems: Annotated[
        Path | None,
        input_file(help="Without --pairs: JSONL of problems to check. With --pairs: problems for --against heldout."),
    ] = None,
    dropped: DroppedOption = None,
    set_: SetOption = None,
    params_file: ParamsOption = None,
    json_: JsonOption = False,
) -> None:
    """Check pairs, or problems: lengths, error regions, repetitions, overlap with benchmarks; exit with 1 on a STOP."""
    # Without --pairs, all files are problems: those of --problems and the arguments.
    files = [*([problems] if problems else []), *(further or [])]
    # Benchmarks whose files environment variables name.
    named = [name for name, data in PUBLISHED.items() if data.variable in os.environ]
    benchmarks = [*(against or []), *named]
    if pairs is None:
        if not files or model:
            raise InputError("give --pairs, with or without --model; or --problems, and no pairs")
        _check_problems(files, benchmarks, out, dropped, as_json=json_)
        return
    if further:
        raise InputError(f"{further[0]}: several files are for --problems without --pairs; give one file")
    # With --pairs, problems are only needed to compare with the split heldout.
    heldout = problems or PROBLEMS
    from iterpref_core.training.pair_checks import check_pair_file

    settings = read_params(set_, params_file)
    numbers, findings = check_pair_file(
        pairs, settings, model=model, against=benchmarks, problems=heldout, out=out, dropped=dropped
    )
    _show_findings(numbers, findings, as_json=json_)


def _show_findings(result: dict[str, Any], findings: list[Any], *, as_json: bool) -> None:
    """Print the result of a check and its findings, fatal ones first; exit with 1 if one would stop a training."""
    # False sorts before True: findings that stop a training come first.
    findings.sort(key=lambda finding: not finding.stops)
    if as_json:
        records = [{"stops": finding.stops, "text": finding.text} for finding in findings]
        typer.echo(json.dumps(result | {"findings": records}, indent=2))
    else:
        for name in ("trained", "regions", "repairs"):
            if name in result:
                typer.echo(f"{name}: {result.pop(name)}")
        show_result(result, as_json=False)
        for finding in findings:
            print_text(f"{'STOP' if finding.stops else 'look'}: {finding.text}")
    if any(finding.stops for finding in findings):
        raise typer.Exit(1)


def _check_problems(
    files: Sequence[Path], against: Sequence[str], out: Path | None, dropped: Path | None, *, as_json: bool
) -> None:
    """Compare problems with each other and with benchmarks, before anything is computed with them."""
    from iterpref_core.problems.screening.repeated_problems import check_problems

    found = check_problems(files, against, out, dropped)
    if as_json:
        typer.echo(json.dumps(found.counts | {"findings": found.findings}, indent=2))
    else:
        show_result(found.counts, as_json=False)
        for finding in found.findings:
            print_text(f"look: {finding}")
    if found.counts.get("contaminated") and out is None:
        raise typer.Exit(1)


def train(
    objective: Annotated[Objective, typer.Option(help="Objective to train with.")],
    model: Annotated[str, typer.Option(help="Folder or hub id of the model to train.")],
    pairs: PairsOption,
    out: Annotated[Path | None, output_folder(help="Folder for the trained model; not needed with --estimate.")] = None,
    curve: Annotated[Path | None, output_file(help="CSV of the training curve; default: next to --out.")] = None,
    scratch: Annotated[
        Path, output_folder(help="Folder for checkpoints and tokenized rows; a killed training continues from it.")
    ] = WORK / "training",
    seed: Annotated[int | None, typer.Option(help="Seed for the order of the data.")] = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Print memory and GPU-hours without training.")] = False,
    gpus: Annotated[int, typer.Option(min=1, help="With --estimate: number of GPUs that share model and batch.")] = 1,
    set_: SetOption = None,
    params_file: ParamsOption = None,
    json_: JsonOption = False,
) -> None:
    """Train a model on pairs; after a kill, it continues from its last checkpoint.

    Objectives that need error regions mark the pairs that have none, as localization says.
    """
    from iterpref_core.training.objectives.objective_settings import check_given

    name = objective.value
    params = read_params(set_, params_file, {"training.seed": seed})
    given = parse_assignments(set_)
    check_given(given, name)
    if params.training.start is not None:
        raise InputError("training.start is read by the stage alone; --model names the model: set training.start=null")
    if estimate:
        _show_estimate(name, model, pairs, params, gpus, as_json=json_)
        return
    if out is None:
        raise InputError("--out is missing: name a folder for the trained model")
    from iterpref_core.storage.progress import is_main_process
    from iterpref_core.training.launch import is_launched, start_processes

    # This command starts itself again in each process, and those come here with is_launched().
    if params.training.accelerate and not is_launched():
        start_processes(params.training.accelerate)
        return
    if not out.name:
        raise InputError(f"--out {out}: the folder of the trained model needs a name of its own, such as models/mine")
    curve = curve or out.with_name(f"{out.name}.curve.csv")
    from iterpref_core.training.trainer.train_objective import train_student

    line = (f"training.objectives.{name}.{value}" for value in OBJECTIVES[name].reads if value != "beta")
    warn_of_demo_values(params, model, *line, "training.answer")
    with TemporaryDirectory() as folder:
        if OBJECTIVES[name].regional:
            pairs = _mark(pairs, params, given, Path(folder))
        result = train_student(params, name, model=model, pairs=pairs, out=out, curve=curve, scratch=scratch)
    # Of several processes one prints the result.
    if is_main_process():
        show_result(result.metrics(), json_)
        if not json_:
            print_text(f"loss is the mean over all steps, rewards are of the last logged one; each point: {curve}")


def _mark(pairs: Path, params: Params, given: Collection[str], folder: Path) -> Path:
    """Return a file of pairs that all have a region, and print how many were marked."""
    from iterpref_core.storage.progress import is_main_process
    from iterpref_core.training.pair_checks import mark_pairs

    marked, regions = mark_pairs(pairs, params, folder)
    idle = [key for key in given if key.startswith("localization.") and marked == pairs]
    if idle:
        raise ConfigError(f"--set {idle[0]}: has no effect: {pairs} has the region of each pair; leave it out")
    if is_main_process():
        print_text(f"regions: {regions}", err=True)
    return marked


def _show_estimate(
    objective: str,
    model: str,
    pairs: Path,
    params: Params,
    gpus: int,
    *,
    as_json: bool,
) -> None:
    """Print the memory and the GPU-hours of a training on pairs."""
    from iterpref_core.models.pretrained.checkpoints import read_config
    from iterpref_core.models.pretrained.tokenizers import load_chat_template
    from iterpref_core.training.data.measures import report_findings
    from iterpref_core.training.estimate import CARDS, estimate_training
    from iterpref_core.training.model.policy import adapter_options
    from iterpref_core.training.pair_checks import tokenized_pairs

    settings = params.training
    template = load_chat_template(model, params.model.student_format)
    row = OBJECTIVES[objective]
    adapters = adapter_options(model, settings)
    with tokenized_pairs(pairs, template, params) as (rows, regions):
        print_text(f"regions: {regions}", err=True)
        report_findings(rows.checks.replay_findings(row))
        estimated = estimate_training(read_config(model), rows, row, settings, gpus=gpus, adapters=adapters)
    # Each GPU model, with whether the training fits and how long it takes.
    cards = {card.name: {"fits": estimated.fits(card), "hours": estimated.hours(card)} for card in CARDS}
    total = {**vars(estimated), "peak_bytes": estimated.peak_bytes, "cpu_bytes": estimated.cpu_bytes}
    show_result({**total, "cards": cards} if as_json else total | cards, as_json)
