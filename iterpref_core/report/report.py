"""Stage `report`: everything the experiment showed, for scripts, for DVC's plots and for people."""

import heapq
from pathlib import Path

from iterpref_core.config import Params
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.report.answers import text_hash
from iterpref_core.report.csv_tables import write_tables
from iterpref_core.report.explorer import Explored, write_explorer
from iterpref_core.report.page import write_page
from iterpref_core.report.stage_outputs import load_curves, load_results
from iterpref_core.report.summary import build_summary, write_summary
from iterpref_core.storage.jsonl import check_spans, read_jsonl


def build_report(
    results: Path,
    metrics: Path,
    pairs: Path,
    spans: Path,
    params: Params,
    lock: Path,
    out: Path,
    contamination: Path | None = None,
    problems: Path | None = None,
    trajectories: Path | None = None,
    dropped: Path | None = None,
) -> dict[str, float]:
    """Write `summary.json`, `index.html`, `explorer.html` and figures as CSV files (`iterpref_core.report.csv_tables`).

    Args:
        results: folder of `<model>/results.json` and `<model>/samples/`; models that are absent are named
            in the report.
        metrics: folder of the stages' metrics and training curves.
        pairs: `pairs.jsonl`.
        spans: `focal.jsonl`.
        params: the parameters.
        lock: `dvc.lock`; may be absent.
        out: folder of the report.
        contamination: `contamination.json`.
        problems: `problems.jsonl`, for the prompts of held-out tasks that a model fails.
        trajectories: `trajectories.jsonl`, for the explorer; may be absent.
        dropped: `dropped.json`, which says why a problem has no pair; may be absent.

    Returns:
        `<benchmark>/<model>` → pass@1, with `_plus` for `+`; the number of models that are missing; and what a pair
        cost, `calls_per_pair` and `cost_usd_per_pair`.

    Raises:
        InputError: an input is absent or unusable. Nothing is written then.
    """
    summary = build_summary(results, metrics, params, lock, contamination)
    models = load_results(results)
    shown = choose_pairs(pairs, spans, params.report.pairs_shown)
    attempts = trajectories if trajectories is not None and trajectories.is_file() else None
    reasons = dropped if dropped is not None and dropped.is_file() else None
    files = Explored(attempts, problems, pairs, spans, reasons, results)
    write_explorer(files, models, params.codeflow, out / "explorer.html")
    write_summary(summary, out / "summary.json")
    write_page(summary, load_curves(metrics), shown, out / "index.html")
    write_tables(summary, out)
    scores = {
        f"{benchmark.replace('+', '_plus')}/{model}": float(score["pass_at_1"])  # MLflow refuses a + in a metric's name
        for model, benchmarks in summary["models"].items()
        for benchmark, score in benchmarks.items()
    }
    price = {name: float(value) for name, value in summary["codeflow"].items() if name.endswith("_per_pair")}
    return scores | price | {"models_missing": float(len(summary["missing"]))}


def choose_pairs(pairs: Path, spans: Path, count: int) -> list[tuple[PreferencePair, FocalSpans]]:
    """Pairs to show, with their error regions: those whose task_ids have the smallest hashes, so nobody picks them.

    Both files are streamed; only what is shown is held.

    Raises:
        RecordError: a line of either file is broken, or a span lies outside of its program.
    """
    drawn = heapq.nsmallest(count, read_jsonl(spans, FocalSpans), key=lambda item: text_hash(item.task_id))
    regions = {item.task_id: item for item in drawn}
    by_task = {pair.task_id: pair for pair in read_jsonl(pairs, PreferencePair) if pair.task_id in regions}
    for task_id, pair in by_task.items():
        check_spans(regions[task_id], pair, spans)
    return [(by_task[task_id], item) for task_id, item in regions.items() if task_id in by_task]
