"""The verbs for preference pairs and their error regions."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from iterpref_core.records import FocalSpans, InputError, LocalizationMethod, PreferencePair
from iterpref_core.storage.jsonl import check_spans, read_jsonl, read_pairs

from .options import (
    DroppedOption,
    JsonOption,
    PairsOption,
    ProblemsOption,
    SetOption,
    input_file,
    output_file,
    read_params,
)
from .printing import show_result

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

    from iterpref_core.evaluation.report.pair_view import render_terminal, write_html

    # In a checkout with a finished experiment, no option is needed.
    if pairs is None:
        pairs = _PAIRS
        if spans is None and _SPANS.is_file():
            spans = _SPANS
        if not pairs.is_file():
            raise InputError(f"{pairs} is not here: run the experiment (iterpref run), or name pairs with --pairs")
    # The terminal shows one pair, a page ten; the file may be large.
    shown = list(islice(_marked_pairs(pairs, spans, task_id), 1 if html is None else 10))
    if not shown:
        raise InputError(f"{pairs}: no matching pair; give another file, spans of these pairs, or another --task-id")
    if html is not None:
        write_html(shown, html)
        typer.echo(str(html))
    else:
        Console().print(render_terminal(*shown[0]))


def _marked_pairs(
    pairs: Path,
    spans: Path | None,
    task_id: str | None,
) -> Iterator[tuple[PreferencePair, FocalSpans]]:
    """Yield the pairs with their error regions; without spans, the lines outside the LCS are marked."""
    from iterpref_core.evaluation.report.pair_view import NO_SPANS
    from iterpref_core.programs.source_code.line_diff import locate_error

    regions = {item.task_id: item for item in read_jsonl(spans, FocalSpans, unique=True)} if spans else {}
    for pair in read_pairs(pairs):
        if task_id not in (None, pair.task_id):
            continue
        if spans is None:
            found = locate_error(pair.rejected, pair.chosen)
            marked = {"rejected": found.rejected, "chosen": found.chosen}
            yield pair, FocalSpans(task_id=pair.task_id, method=NO_SPANS, **marked)
        elif pair.task_id in regions:
            check_spans(regions[pair.task_id], pair, spans)
            yield pair, regions[pair.task_id]
