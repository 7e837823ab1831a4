"""The verbs of training."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iterpref_core.records import OBJECTIVES, PUBLISHED, InputError, Params, PreferencePair
from iterpref_core.storage.state_folder import WORK

from .options import (
    DroppedOption,
    JsonOption,
    PairsOption,
    ParamsOption,
    SetOption,
    input_file,
    output_file,
    output_folder,
    read_params,
    warn_of_demo_values,
)
from .printing import print_text, show_result

if TYPE_CHECKING:
    from iterpref_core.problems.screening.contamination import Decontamination
    from iterpref_core.problems.screening.private_records import PrivateDataCount
    from iterpref_core.storage.left_out import LeftOut

Objective = Enum("Objective", {name: name for name in OBJECTIVES})  # type: ignore[misc]


def check(
    further: Annotated[
        list[Path] | None, typer.Argument(metavar="[PROBLEMS]...", help="More files of problems.", exists=True)
    ] = None,
    pairs: Annotated[Path | None, input_file(help="JSONL of pairs with at least prompt, chosen and rejected.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Folder or hub id of the model to train: its tokenizer measures lengths.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="Name or JSONL file of a benchmark; repeatable. Files that environment variables name are always read."
        ),
    ] = None,
    out: Annotated[
        Path | None, output_file(help="JSONL for what overlaps with no benchmark, and for problems, repeats no other.")
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
    heldout = problems or Path("data/problems.jsonl")
    _check_pair_file(pairs, model, benchmarks, out, dropped, heldout, read_params(set_, params_file), as_json=json_)


def _check_pair_file(
    pairs: Path,
    model: str | None,
    against: Sequence[str],
    out: Path | None,
    dropped: Path | None,
    problems: Path,
    settings: Params,
    *,
    as_json: bool,
) -> None:
    from iterpref_core.problems.screening.contamination import Decontamination
    from iterpref_core.problems.screening.private_records import PrivateDataCount
    from iterpref_core.storage.jsonl import write_jsonl
    from iterpref_core.storage.left_out import open_left_out
    from iterpref_core.training.data.checks import Finding

    trained: dict[str, Any] = {}
    of_model: list[Any] = []
    # Lengths need the tokenizer of the model to train; without --model only texts are compared.
    if model is not None:
        trained, of_model = _check_with_model(pairs, model, settings)
    benchmarks = Decontamination(against, problems)
    counts: Counter[str] = Counter()
    private = PrivateDataCount("pairs")
    # One pass over the file: count, compare, and write what is clean.
    with open_left_out(dropped) as left_out:
        clean = _clean_pairs(pairs, benchmarks, counts, private, left_out)
        kept = write_jsonl(out, clean) if out is not None else sum(1 for _ in clean)
    overlaps = benchmarks.overlaps
    findings = list(_overlap_findings(overlaps, out))
    findings += [Finding(stops=False, text=text) for text in private.findings()]
    result: dict[str, Any] = {"pairs": kept + benchmarks.contaminated, **private.counts}
    result["benchmark_tasks"] = sum(overlap.tasks for overlap in overlaps.values())
    result |= trained
    if out is not None:
        result |= {"kept": kept, "dropped/contaminated": benchmarks.contaminated}
    result |= sorted(counts.items())
    if counts["repeated"]:
        findings.append(Finding(stops=False, text=f"{counts['repeated']} pairs repeat another, and count twice"))
    _show_findings(result, findings + of_model, as_json=as_json)


def _check_with_model(pairs: Path, model: str, settings: Params) -> tuple[dict[str, Any], list[Any]]:
    """Return the numbers of the pairs as a model is trained on them, and the faults that it shows.

    The faults are of lengths, of error regions, and of the model's limits and template.
    """
    from iterpref_core.models.pretrained.tokenizers import load_chat_template
    from iterpref_core.models.pretrained.weights import check_checkpoint
    from iterpref_core.training.data.checks import Finding
    from iterpref_core.training.model.model_limits import limit_findings

    prompt = settings.model.student_format
    template = load_chat_template(check_checkpoint(model, prompt, loaded=False), prompt)
    with _tokenized(pairs, template, settings) as rows:
        checks = rows.checks
    findings = [*checks.findings(settings.training)]
    findings += limit_findings(model, checks)
    if template.remark:
        findings.append(Finding(stops=False, text=template.remark))
    trained = template.describe(settings.training.answer)
    return {"trained": trained, "pairs": len(checks), **checks.numbers()}, findings


def _show_findings(result: dict[str, Any], findings: list[Any], *, as_json: bool) -> None:
    """Print the result of a check and its findings, fatal ones first; exit with 1 if one would stop a training."""
    # False sorts before True: findings that stop a training come first.
    findings.sort(key=lambda finding: not finding.stops)
    if as_json:
        records = [{"stops": finding.stops, "text": finding.text} for finding in findings]
        typer.echo(json.dumps(result | {"findings": records}, indent=2))
    else:
        if "trained" in result:
            typer.echo(f"trained: {result.pop('trained')}")
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


def _clean_pairs(
    pairs: Path,
    benchmarks: "Decontamination",
    counts: Counter[str],
    private: "PrivateDataCount",
    left_out: "LeftOut",
) -> Iterator[PreferencePair]:
    """Yield the pairs that overlap with no benchmark; count all by license, those that repeat another or hold a key."""
    from iterpref_core.problems.screening.contamination import CONTAMINATED
    from iterpref_core.storage.jsonl import read_pairs
    from iterpref_core.storage.left_out import Dropped

    seen = set[int]()
    for number, pair in enumerate(read_pairs(pairs), start=1):
        counts[f"license/{pair.license or 'not stated'}"] += 1
        texts = hash((pair.prompt, pair.chosen, pair.rejected))
        counts["repeated"] += texts in seen
        seen.add(texts)
        private.add(pair.task_id, pair)
        task = benchmarks.partner(pair)
        if task:
            left_out.add(Dropped("contaminated", f"{pairs}:{number}", pair.task_id, CONTAMINATED, task))
        else:
            yield pair


@contextmanager
def _tokenized(pairs: Path, template: Any, settings: Params) -> Iterator[Any]:
    """Open the tokenized pairs, all with regions, which are on disk: in memory, 59,000 pairs would be 3 GB."""
    from iterpref_core.training.data.pairs import PairReader
    from iterpref_core.training.data.tokenized_dataset import open_tokenized_dataset

    with TemporaryDirectory() as folder:
        reader = PairReader(_with_regions(pairs, settings, Path(folder)))
        yield open_tokenized_dataset(reader, template, "", settings.training, Path(folder))


def _with_regions(pairs: Path, settings: Params, folder: Path) -> Path:
    """Mark the pairs that have no region, and say so; return the file in which all have one."""
    from iterpref_core.pairs.localization.localization import localize_pairs
    from iterpref_core.storage.progress import is_main_process

    marked = folder / "pairs.jsonl"
    found = localize_pairs(pairs, settings.localization, marked)
    left_out = "".join(f", {count} left out ({reason})" for reason, count in found.dropped.items() if count)
    if is_main_process():
        text = f"regions: {found.given} from the file, {found.pairs - found.given} marked{left_out}"
        print_text(text, err=True)
    # The record of a training names the file that the user knows.
    return pairs if found.given == found.pairs and not left_out else marked


def _overlap_findings(overlaps: Mapping[str, Any], out: Path | None) -> Iterator[Any]:
    """Yield a finding for each benchmark that pairs share something with.

    Prompts of a benchmark stop a run, unless `out` is a file without them.
    """
    from iterpref_core.training.data.checks import Finding

    for name, overlap in overlaps.items():
        if overlap.pairs:
            kinds = ", ".join(f"{count} by {kind}" for kind, count in overlap.kinds.items() if count)
            some = ", ".join(overlap.examples)
            text = f"{overlap.pairs} pairs overlap with {name} ({kinds}; such as {some})"
            if out is None:
                remedy = "remove them with `iterpref check --out`, or results on that benchmark are worthless"
            else:
                remedy = f"{out} is without them"
            yield Finding(overlap.kinds["prompt"] > 0 and out is None, f"{text}: {remedy}")


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
    name = objective.value
    params = read_params(set_, params_file, {"training.seed": seed})
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
    from iterpref_core.training.trainer.train_objective import train_objective

    warn_of_demo_values(params, model, "training.alpha", "training.nll_learning_rate", "training.answer")
    with TemporaryDirectory() as folder:
        result = train_objective(
            pairs=_with_regions(pairs, params, Path(folder)) if OBJECTIVES[name].regional else pairs,
            model=model,
            objective=name,
            params=params.training,
            out=out,
            curve=curve,
            scratch=scratch,
            prompt=params.model.student_format,
        )
    # Of several processes one prints the result.
    if is_main_process():
        show_result(result.metrics(), json_)


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
    from iterpref_core.training.estimate.estimate import CARDS, estimate_training
    from iterpref_core.training.model.policy import adapter_options
    from iterpref_core.training.objectives.objective_settings import settings_of

    settings = params.training
    template = load_chat_template(model, params.model.student_format)
    row = settings_of(objective, settings).row
    adapters = adapter_options(model, settings)
    with _tokenized(pairs, template, params) as rows:
        estimated = estimate_training(read_config(model), rows, row, settings, gpus=gpus, adapters=adapters)
    # Each GPU model, with whether the training fits and how long it takes.
    cards = {card.name: {"fits": estimated.fits(card), "hours": estimated.hours(card)} for card in CARDS}
    total = {**vars(estimated), "peak_bytes": estimated.peak_bytes, "cpu_bytes": estimated.cpu_bytes}
    show_result({**total, "cards": cards} if as_json else total | cards, as_json)
