"""Run stage `report`: write the results of the experiment for scripts, for DVC's plots and for people."""

import heapq
from collections.abc import Collection
from pathlib import Path

from iterpref_core.evaluation.report.csv_tables import write_tables
from iterpref_core.evaluation.report.explorer import Explored, read_chosen, text_hash, write_explorer
from iterpref_core.evaluation.report.mended import mended_problems
from iterpref_core.evaluation.report.page import write_page
from iterpref_core.evaluation.report.summary import build_summary
from iterpref_core.evaluation.report.summary_record import Summary, write_summary
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.records.config import Params
from iterpref_core.storage.jsonl import check_spans, read_jsonl


def build_report(
    results: Path,
    metrics: Path,
    pairs: Path,
    spans: Path,
    params: Params,
    lock: Path,
    out: Path,
    contamination: Path,
    problems: Path,
    trajectories: Path,
    dropped: Path,
    names: Collection[str] | None,
) -> Summary:
    """Write `summary.json`, `index.html`, `explorer.html` and figures as CSV files (`evaluation.report.csv_tables`).

    Args:
        results: the folder of `<model>/results.json`. The report names absent models.
        metrics: the folder of the stages' metrics.
        pairs: `pairs.jsonl`.
        spans: `focal.jsonl`.
        params: the parameters.
        lock: `dvc.lock`; may be absent.
        out: the folder of the report.
        contamination: `contamination.json`.
        problems: `problems.jsonl`, for the prompts in the explorer.
        trajectories: `trajectories.jsonl`, for the explorer.
        dropped: `dropped.jsonl`, the problems without a pair and the reasons.
        names: the models of the experiment; files of other models in the folders are not read. None: all.

    Returns:
        The object of `summary.json`.

    Raises:
        InputError: an input is absent or unusable; no file is written.
    """
    summary = build_summary(
        results=results,
        metrics=metrics,
        params=params,
        lock=lock,
        contamination=contamination,
        names=names,
    )
    shown = choose_pairs(pairs, spans, params.report.pairs_shown)
    files = Explored(trajectories, problems, pairs, spans, dropped)
    write_explorer(files, params.codeflow, out / "explorer.html", mended_problems(summary, results, problems))
    write_summary(summary, out / "summary.json")
    write_page(summary, shown, out / "index.html")
    write_tables(summary, out)
    return summary


def choose_pairs(
    pairs: Path,
    spans: Path,
    count: int,
) -> list[tuple[PreferencePair, FocalSpans]]:
    """Return the pairs with the smallest hashes of their task_ids, so that no person picks them, and their regions.

    Both files are streamed; only the chosen pairs are held in memory.

    Raises:
        RecordError: a line of either file is broken, or a span lies outside of its program.
    """
    drawn = heapq.nsmallest(
        count,
        read_jsonl(spans, FocalSpans),
        key=lambda item: text_hash(item.task_id),
    )
    regions = {item.task_id: item for item in drawn}
    pairs_by_task = read_chosen(pairs, PreferencePair, regions)
    chosen = []
    for task_id, region in regions.items():
        if task_id in pairs_by_task:
            pair = pairs_by_task[task_id]
            check_spans(region, pair, spans)
            chosen.append((pair, region))
    return chosen
