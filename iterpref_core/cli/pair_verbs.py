"""Verbs on preference pairs and their error regions."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from iterpref_core.cli.path_options import input_option, output_option
from iterpref_core.cli.shared import (
    DEFAULT_PARAMS,
    JsonOption,
    ParamsOption,
    ProblemsOption,
    override,
    show_result,
)
from iterpref_core.config import LocalizationMethod, load_params
from iterpref_core.errors import InputError
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.storage.jsonl import check_spans, read_jsonl, read_pairs

Pairs = Annotated[Path, input_option("JSONL of pairs; prompt, chosen and rejected are enough.", "--pairs")]


def pair(
    trajectories: Annotated[Path, input_option("JSONL of trajectories.")],
    problems: ProblemsOption,
    out: Annotated[Path, output_option("JSONL to write pairs to.")],
    model: Annotated[
        str | None,
        input_option(
            "Folder or hub id of the model to train, whose tokenizer counts; model.student by default.",
            kind="path or name",
        ),
    ] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Choose and filter preference pairs."""
    from iterpref_core.cli.places import ANSWERS
    from iterpref_core.inference.backend_factory import open_judge
    from iterpref_core.inference.local.checkpoints import EMBEDDED
    from iterpref_core.pairs.pairs import select_pairs

    settings = load_params(params)
    named = settings.model.student
    student = model or ("models/student" if named == EMBEDDED else named)
    run, at_once = f"pair {out.resolve()}", settings.codeflow.concurrency
    with open_judge(settings.pairs.judge, settings.inference, settings.budget, at_once, ANSWERS, run) as judge:
        show_result(select_pairs(trajectories, problems, student, settings.pairs, out, judge=judge), json_)


def localize(
    pairs: Pairs,
    out: Annotated[Path, output_option("JSONL to write spans to.")],
    method: Annotated[LocalizationMethod, typer.Option(help="How regions are found.")] = "line_lcs",
    problems: Annotated[Path | None, input_option("JSONL of problems, for causal: it runs their tests.")] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Mark the error region of every pair."""
    from iterpref_core.localization.localization import localize_pairs

    settings = load_params(params)
    focal = override(settings.localization, {"method": method})
    show_result(localize_pairs(pairs, focal, out, problems, settings.execution), json_)


def show(
    pairs: Pairs,
    spans: Annotated[Path | None, input_option("JSONL of spans; by default the lines outside the LCS.")] = None,
    task_id: Annotated[str | None, typer.Option(help="Which pair; the first ones by default.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="How many pairs: 1 in the terminal, 10 on a page.")
    ] = None,
    html: Annotated[Path | None, output_option("Write a page instead of printing.")] = None,
    model: Annotated[
        str | None, input_option("Model before training; with --trained, colors.", kind="path or name")
    ] = None,
    trained: Annotated[
        str | None, input_option("Model after training: colors each token's change.", kind="path or name")
    ] = None,
    params: ParamsOption = DEFAULT_PARAMS,
) -> None:
    """Show pairs with their error region marked, and what training did to each token."""
    from rich.console import Console

    from iterpref_core.report.pair_terminal import render_terminal
    from iterpref_core.report.pair_view import write_html

    if (model is None) != (trained is None):
        raise InputError("--model and --trained belong together: the model before and the one after training")
    shown = _find_pairs(pairs, task_id, limit or (1 if html is None else 10), spans)
    regions = _regions_of(shown, spans)
    shifts = {}
    if model is not None and trained is not None:
        from iterpref_core.training.shifts import score_shifts

        settings = load_params(params)
        scored = score_shifts(shown, model, trained, settings.training, settings.model.prompt)
        shifts = {item.task_id: item for item in scored}
    if html is not None:
        write_html(shown, regions, html, shifts)
        typer.echo(str(html))
        return
    console = Console()
    for item in shown:
        console.print(render_terminal(item, regions[item.task_id], shifts.get(item.task_id)))


def _find_pairs(path: Path, task_id: str | None, limit: int, spans: Path | None) -> list[PreferencePair]:
    """The pairs to show: of a file of spans those that it has a region of."""
    marked = {item.task_id for item in read_jsonl(spans, FocalSpans, unique=True)} if spans is not None else None
    asked = (pair for pair in read_pairs(path) if task_id in (None, pair.task_id))
    found = list(islice((pair for pair in asked if marked is None or pair.task_id in marked), limit))
    if not found:
        wanted = "holds no pair" if task_id is None else f"has no pair with task_id {task_id!r}"
        whose = f" that {spans} has spans of; give the spans that were made for these pairs" if spans else ""
        raise InputError(f"{path}: {wanted}{whose or '; give another file or --task-id'}")
    return found


def _regions_of(pairs: list[PreferencePair], spans: Path | None) -> dict[str, FocalSpans]:
    """Those of the file; without one the lines outside the line LCS, which are called that."""
    from iterpref_core.localization.line_lcs import differing_lines
    from iterpref_core.report.pair_view import NO_SPANS

    if spans is None:
        return {pair.task_id: differing_lines(pair).model_copy(update={"method": NO_SPANS}) for pair in pairs}
    shown = {pair.task_id: pair for pair in pairs}
    found = {item.task_id: item for item in read_jsonl(spans, FocalSpans) if item.task_id in shown}
    for task_id, item in found.items():
        check_spans(item, shown[task_id], spans)
    return found
