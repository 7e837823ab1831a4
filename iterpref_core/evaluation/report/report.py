"""Run stage `report`: write the results of the experiment for scripts, for DVC's plots and for people."""

import csv
import heapq
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from iterpref_core.records import FocalSpans, Params, PreferencePair
from iterpref_core.storage.jsonl import atomic_writer, check_spans, read_jsonl

from .explorer import read_chosen, text_hash, write_explorer
from .page import write_page
from .score_rows import ScoreRow, score_rows
from .standings import write_csv
from .summary import ReportFiles, build_summary, problem_outcomes
from .summary_record import Summary, write_summary


def build_report(
    files: ReportFiles,
    params: Params,
    out: Path,
    names: Collection[str] | None = None,
) -> Summary:
    """Write `summary.json`, `index.html`, `explorer.html` and figures as CSV files.

    Args:
        files: the stages' outputs.
        params: the parameters.
        out: the folder of the report.
        names: the models of the experiment; files of other models in the folders are not read. None: all.

    Returns:
        The object of `summary.json`.

    Raises:
        InputError: an input is absent or unusable; no file is written.
    """
    summary = build_summary(files, params, names)
    shown = choose_pairs(files, params.report.pairs_shown)
    write_explorer(files, params.codeflow, out / "explorer.html", summary)
    write_summary(summary, out / "summary.json")
    write_page(summary, shown, out / "index.html")
    write_tables(summary, out)
    return summary


def choose_pairs(files: ReportFiles, count: int) -> list[tuple[PreferencePair, FocalSpans]]:
    """Return the pairs with the smallest hashes of their task_ids, so that no person picks them, and their regions.

    Both files are streamed; only the chosen pairs are held in memory.

    Raises:
        RecordError: a line of either file is broken, or a span lies outside of its program.
    """
    drawn = heapq.nsmallest(
        count,
        read_jsonl(files.spans, FocalSpans),
        key=lambda item: text_hash(item.task_id),
    )
    pairs = read_chosen(files.pairs, PreferencePair, [item.task_id for item in drawn])
    chosen = [(pairs[region.task_id], region) for region in drawn if region.task_id in pairs]
    for pair, region in chosen:
        check_spans(region, pair, files.spans)
    return chosen


def write_tables(summary: Summary, out: Path) -> None:
    """Write the page's figures as CSV tables, for DVC's plots, MLflow and spreadsheets; shares are of 1.

    A table without rows has its header: DVC's plots need the file.
    """
    rows = score_rows(summary)
    write_csv(rows, out / "results.csv")
    tables: dict[str, list[tuple[Any, ...]]] = {
        "pass_rate": [("iteration", "pass_rate"), *enumerate(summary.codeflow.pass_rate_by_iteration)],
        "outcomes": [("outcome", "problems", "share"), *problem_outcomes(summary)],
        "failures": [("benchmark", "model", "kind", "samples", "share"), *_failures(rows)],
    }
    for name, table in tables.items():
        with atomic_writer(out / f"{name}.csv") as file:
            csv.writer(file, lineterminator="\n").writerows(table)


def _failures(rows: Collection[ScoreRow]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        if not row.part:
            for kind, number in sorted(row.scores.failures.items()):
                yield row.benchmark, row.model, kind, number, number / row.scores.samples
