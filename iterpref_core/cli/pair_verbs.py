"""The verbs for preference pairs and their error regions."""

from heapq import nlargest, nsmallest
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal

import typer

from iterpref_core.records import InputError, LocalizationMethod
from iterpref_core.storage.jsonl import read_pairs
from iterpref_core.storage.state_folder import FOCAL, PAIRS, PROBLEMS

from .options import (
    DroppedOption,
    JsonOption,
    PairsOption,
    ParamsOption,
    ProblemsOption,
    SetOption,
    input_file,
    input_folder,
    output_file,
    place_of,
    read_params,
)
from .printing import print_text, show_result


def pair(
    trajectories: Annotated[
        list[Path], input_file(help="JSONL of trajectories; repeatable, such as runs of `debug` with other seeds.")
    ],
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
    from iterpref_core.pairs.selection.pair_selection import screen_pairs

    settings = read_params(set_, params_file)
    student = model or place_of(settings.model.student, "models/student")
    result = screen_pairs(
        settings, trajectories=trajectories, problems=problems, tokenizer=student, out=out, dropped=dropped
    )
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
    from iterpref_core.pairs.localization.localization import mark_regions

    settings = read_params(set_, params_file, {"localization.method": method})
    result = mark_regions(settings, pairs=pairs, out=out, dropped=dropped)
    show_result(result.metrics(), json_)


def show(
    pairs: Annotated[
        Path | None, input_file(help="JSONL of pairs; default: the pairs of the finished experiment.")
    ] = None,
    results: Annotated[
        Path | None, input_folder(help="Folder of evaluate: print the answers that did not pass, instead of pairs.")
    ] = None,
    problems: Annotated[
        Path, typer.Option(help="With --results: JSONL of problems, for the prompts of your own.")
    ] = PROBLEMS,
    verdict: Annotated[str | None, typer.Option(help="With --results: answers of this verdict alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="With --results: answers to print, at most.")] = 5,
    task_id: Annotated[str | None, typer.Option(help="The pair to show; default: the first one.")] = None,
    by: Annotated[
        Literal["nll", "logp_margin"] | None,
        typer.Option(help="Show what may be bad first: the highest nll, or the lowest logp_margin, of a scored pair."),
    ] = None,
    html: Annotated[Path | None, output_file(help="Write a page of ten pairs instead of printing one.")] = None,
) -> None:
    """Show pairs with their error region marked; or with --results wrong answers."""
    if results is not None:
        _show_answers(results, problems, verdict, limit)
        return
    from rich.console import Console

    from iterpref_core.evaluation.report.pair_view import render_terminal, write_html

    # In a checkout with a finished experiment, no option is needed.
    pairs = pairs or next((path for path in (FOCAL, PAIRS) if path.is_file()), None)
    if pairs is None:
        raise InputError(f"{FOCAL} is not here: run the experiment (iterpref run), or name pairs with --pairs")
    # The terminal shows one pair, a page ten; the file may be large.
    wanted = (pair for pair in read_pairs(pairs) if task_id in (None, pair.task_id))
    number = 1 if html is None else 10
    if by is None:
        shown = list(islice(wanted, number))
    else:
        scored = (pair for pair in wanted if getattr(pair, by) is not None)
        shown = (nlargest if by == "nll" else nsmallest)(number, scored, key=attrgetter(by))
    if not shown:
        raise InputError(
            f"{pairs}: no matching pair; give another file or --task-id, or for --by what check --model --out wrote"
        )
    if html is not None:
        write_html(shown, html)
        typer.echo(str(html))
    else:
        Console().print(render_terminal(shown[0]))


def _show_answers(results: Path, problems: Path, verdict: str | None, limit: int) -> None:
    """Print answers that did not pass: prompt, program, verdict and feedback."""
    from iterpref_core.evaluation.scoring.wrong_answers import read_wrong_answers

    shown = list(islice(read_wrong_answers(results, problems, verdict), limit))
    if not shown:
        print_text(f"{results}: no answer {f'with the verdict {verdict}' if verdict else 'that did not pass'}")
    for answer in shown:
        print_text(f"== {answer.benchmark} {answer.task_id}: {answer.verdict}")
        parts = (("prompt", answer.prompt), ("program", answer.program), ("feedback", answer.feedback))
        print_text("\n".join(f"-- {name}\n{text.rstrip()}" for name, text in parts if text) + "\n")
