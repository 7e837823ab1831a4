"""Run stage `report`: write the results of the experiment for scripts, for DVC's plots and for people."""

import heapq
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from iterpref_core.records import Params, PreferencePair
from iterpref_core.storage.jsonl import read_jsonl

from ..evaluation.results_file import by_reason
from . import number_formats
from .display_names import FOCAL, PAPER_COVERAGE, benchmark_name, in_words, model_name
from .explorer import text_hash, write_explorer
from .findings import findings, headline
from .pair_view import pair_context, render_page, template_text
from .score_rows import ScoreRow, main_benchmark, score_rows, smallest_decided_difference, tables_of
from .standings import inside_notes, write_csv
from .summary import ReportFiles, build_summary, figures, problem_outcomes
from .summary_record import Summary, write_summary


def write_page(
    summary: Summary,
    pairs: Iterable[PreferencePair],
    out: Path,
    hours: float,
) -> None:
    """Write the page.

    Args:
        summary: the object of `summary.json`.
        pairs: the pairs to show, with their error regions.
        out: the file of the page.
        hours: of the stages on this machine; 0 if unknown.
    """
    rows = score_rows(summary)
    render_page(
        out,
        "page.html",
        summary=summary,
        headline=headline(summary),
        findings=findings(summary),
        tables=tables_of(rows),
        main=main_benchmark(summary),
        name=model_name,
        focal=FOCAL,
        reasons=by_reason(*summary.unavailable.values()),
        benchmark=benchmark_name,
        inside=inside_notes(rows),
        smallest_decided_difference=smallest_decided_difference,
        cost=summary.cost,
        shown=list(figures(summary)),
        hours=hours,
        missing=[model_name(name) for name in summary.missing],
        comparisons=sum(len(others) for others in summary.comparisons.values()),
        # Sampling has no iterations, and other headings.
        sampled=summary.provenance.params["codeflow"]["source"] == "sampling",
        outcomes=[outcome for outcome in problem_outcomes(summary) if outcome[1]],
        paper_coverage=PAPER_COVERAGE,
        kinds=_kinds,
        pairs=[pair_context(pair) for pair in pairs],
        params=_as_yaml(summary.provenance.params),
        style=template_text("style.css"),
        figures=number_formats,
        percent=number_formats.percent,
        count="{:,}".format,
        words=in_words,
    )


def _kinds(rows: Iterable[ScoreRow]) -> list[str]:
    """Return the kinds of failure in a table, the most frequent first."""
    totals = Counter[str]()
    for row in rows:
        totals.update(row.scores.failures)
    return [kind for kind, number in totals.most_common() if number]


def _as_yaml(params: Mapping[str, Any]) -> str:
    """Return parameters in the form of params.yaml, a value a line."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = io.StringIO()
    yaml.dump(params, text)
    return text.getvalue()


def build_report(params: Params, *models: str, out: Path, **files: Path) -> Summary:
    """Write `summary.json`, `index.html`, `explorer.html` and `results.csv` (stage `report`).

    Args:
        params: all parameters.
        models: names of the models of the graph; files of other models in the folders are not read. Without a name, all
            are.
        out: the folder of the report.
        files: the fields of `ReportFiles`.

    Returns:
        The object of `summary.json`.

    Raises:
        InputError: an input is absent or unusable; no file is written.
    """
    # An experiment on own pairs has no repairs: its debugger is the student, and would stand in the table twice.
    if params.model.debugger == params.model.student != "nanolab":
        models = tuple(name for name in models if name != "debugger")
    read = ReportFiles(**files)
    summary = build_summary(read, params, models or None)
    shown = choose_pairs(read, params.report.pairs_shown)
    write_explorer(read, params.codeflow, out / "explorer.html", summary)
    write_summary(summary, out / "summary.json")
    seconds = sum(float(path.read_text()) for path in read.times.glob("*"))
    write_page(summary, shown, out / "index.html", seconds / 3600)
    write_csv(score_rows(summary), out / "results.csv")
    return summary


def choose_pairs(files: ReportFiles, count: int) -> list[PreferencePair]:
    """Return the pairs with the smallest hashes of their task_ids, so that no person picks them.

    The file is streamed; only the chosen pairs are held in memory.

    Raises:
        RecordError: a line is broken, or a span lies outside of its program.
    """
    pairs = (row for row in read_jsonl(files.focal, PreferencePair) if row.rejected is not None)
    return heapq.nsmallest(count, pairs, key=lambda pair: text_hash(pair.task_id))
