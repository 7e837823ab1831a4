"""The verbs for preference pairs and their error regions."""

from collections.abc import Container
from pathlib import Path
from typing import Annotated

import typer

from iterpref_core.cli.options import (
    DroppedOption,
    JsonOption,
    PairsOption,
    ProblemsOption,
    SetOption,
    input_file,
    output_file,
    read_params,
)
from iterpref_core.cli.printing import show_result
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.records.config import LocalizationMethod
from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import check_spans, read_jsonl, read_pairs

_PAIRS, _SPANS = Path("data/pairs.jsonl"), Path("data/focal.jsonl")
"""The files of a finished experiment, in its checkout."""


def pair(
    trajectories: Annotated[Path, input_file(help="JSONL of trajectories.")],
    problems: ProblemsOption,
    out: Annotated[Path, output_file(help="JSONL to write pairs to.")],
    model: Annotated[
        str | None,
        typer.Option(help="Folder or hub id of the model to train, for its tokenizer; default: model.student."),
    ] = None,
    dropped: DroppedOption = None,
    set_: SetOption = None,
    json_: JsonOption = False,
) -> None:
    """Choose preference pairs from trajectories, and filter them."""
    from iterpref_core.models.pretrained.checkpoints import EMBEDDED, is_gguf
    from iterpref_core.pairs.selection.pair_selection import screened_params, select_pairs

    settings = read_params(set_)
    student = model
    if not student:
        student = settings.model.student
        if student == EMBEDDED or is_gguf(student):
            # Stage `nanolab` makes a folder of this model.
            student = "models/student"
    result = select_pairs(trajectories, problems, student, screened_params(settings), out, dropped=dropped)
    show_result(result.metrics(), json_)


def localize(
    pairs: PairsOption,
    out: Annotated[Path, output_file(help="JSONL to write spans to.")],
    method: Annotated[LocalizationMethod, typer.Option(help="How error regions are found.")] = "line_lcs",
    dropped: DroppedOption = None,
    set_: SetOption = None,
    json_: JsonOption = False,
) -> None:
    """Mark the error region of every pair."""
    from iterpref_core.pairs.localization.localization import localize_pairs

    settings = read_params(set_, {"localization.method": method})
    result = localize_pairs(pairs, settings.localization, out, dropped)
    show_result(result.metrics(), json_)


def show(
    pairs: Annotated[
        Path | None, input_file(help="JSONL of pairs; default: the pairs and spans of the finished experiment.")
    ] = None,
    spans: Annotated[Path | None, input_file(help="JSONL of spans; default: the lines outside the LCS.")] = None,
    task_id: Annotated[str | None, typer.Option(help="The pair to show; default: the first one.")] = None,
    html: Annotated[Path | None, output_file(help="Write a page of ten pairs instead of printing one.")] = None,
) -> None:
    """Show pairs with their error region marked."""
    from rich.console import Console

    from iterpref_core.evaluation.report.pair_terminal import render_terminal
    from iterpref_core.evaluation.report.pair_view import NO_SPANS, write_html
    from iterpref_core.programs.source_code.line_diff import locate_error

    # In a checkout with a finished experiment, no option is needed.
    if pairs is None:
        pairs = _PAIRS
        if spans is None and _SPANS.is_file():
            spans = _SPANS
        if not pairs.is_file():
            raise InputError(f"{pairs} is not here: run the experiment (iterpref run), or name pairs with --pairs")
    # The terminal shows one pair, a page ten.
    number = 1 if html is None else 10
    # Without spans mark what the line-based LCS leaves, as stage `localization` does by default.
    if spans is None:
        shown = _find_pairs(pairs, task_id, number)
        regions = {}
        for item in shown:
            region = locate_error(item.rejected, item.chosen)
            regions[item.task_id] = FocalSpans(
                task_id=item.task_id,
                method=NO_SPANS,
                rejected=region.rejected,
                chosen=region.chosen,
            )
    else:
        regions = {item.task_id: item for item in read_jsonl(spans, FocalSpans, unique=True)}
        shown = _find_pairs(pairs, task_id, number, regions)
        for item in shown:
            check_spans(regions[item.task_id], item, spans)
    if html is not None:
        write_html(shown, regions, html)
        typer.echo(str(html))
        return
    console = Console()
    for item in shown:
        console.print(render_terminal(item, regions[item.task_id]))


def _find_pairs(
    path: Path,
    task_id: str | None,
    number: int,
    marked: Container[str] | None = None,
) -> list[PreferencePair]:
    found: list[PreferencePair] = []
    for candidate in read_pairs(path):
        # The file may be large: stop at the first pairs that match.
        if task_id not in (None, candidate.task_id):
            continue
        if marked is None or candidate.task_id in marked:
            found.append(candidate)
        if len(found) == number:
            break
    if not found:
        raise InputError(f"{path}: no matching pair; give another file, spans of these pairs, or another --task-id")
    return found
