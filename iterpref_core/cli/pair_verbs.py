"""The verbs for preference pairs and their error regions."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from iterpref_core.records import InputError, LocalizationMethod
from iterpref_core.storage.jsonl import read_pairs

from .options import (
    DroppedOption,
    JsonOption,
    PairsOption,
    ParamsOption,
    ProblemsOption,
    SetOption,
    input_file,
    output_file,
    read_params,
)
from .printing import show_result

_FINISHED = Path("data/focal.jsonl"), Path("data/pairs.jsonl")
"""The pairs of a finished experiment, in its checkout; with regions, or before they are marked."""


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
    params_file: ParamsOption = None,
    json_: JsonOption = False,
) -> None:
    """Choose preference pairs from trajectories, and filter them."""
    from iterpref_core.models.pretrained.checkpoints import EMBEDDED, is_gguf
    from iterpref_core.pairs.selection.pair_selection import screened_params, select_pairs

    settings = read_params(set_, params_file)
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
    out: Annotated[Path, output_file(help="JSONL to write the pairs to, with their regions.")],
    method: Annotated[
        LocalizationMethod | None, typer.Option(help="How error regions are found; default: localization.method.")
    ] = None,
    dropped: DroppedOption = None,
    set_: SetOption = None,
    params_file: ParamsOption = None,
    json_: JsonOption = False,
) -> None:
    """Mark the error region of every pair that has none yet."""
    from iterpref_core.pairs.localization.localization import localize_pairs

    settings = read_params(set_, params_file, {"localization.method": method})
    result = localize_pairs(pairs, settings.localization, out, dropped)
    show_result(result.metrics(), json_)


def show(
    pairs: Annotated[
        Path | None, input_file(help="JSONL of pairs; default: the pairs of the finished experiment.")
    ] = None,
    task_id: Annotated[str | None, typer.Option(help="The pair to show; default: the first one.")] = None,
    html: Annotated[Path | None, output_file(help="Write a page of ten pairs instead of printing one.")] = None,
) -> None:
    """Show pairs with their error region marked."""
    from rich.console import Console

    from iterpref_core.evaluation.report.pair_view import render_terminal, write_html

    # In a checkout with a finished experiment, no option is needed.
    pairs = pairs or next((path for path in _FINISHED if path.is_file()), None)
    if pairs is None:
        raise InputError(f"{_FINISHED[0]} is not here: run the experiment (iterpref run), or name pairs with --pairs")
    # The terminal shows one pair, a page ten; the file may be large.
    wanted = (pair for pair in read_pairs(pairs) if task_id in (None, pair.task_id))
    shown = list(islice(wanted, 1 if html is None else 10))
    if not shown:
        raise InputError(f"{pairs}: no matching pair; give another file, or another --task-id")
    if html is not None:
        write_html(shown, html)
        typer.echo(str(html))
    else:
        Console().print(render_terminal(shown[0]))
