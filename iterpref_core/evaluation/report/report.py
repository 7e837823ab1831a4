"""Run stage `report`: write the results of the experiment for scripts, for DVC's plots and for people."""

import csv
import heapq
import io
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from iterpref_core.records import BENCHMARKS, Params, PreferencePair
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl

from . import number_formats
from .display_names import (
    FOCAL,
    PAPER_COVERAGE,
    benchmark_name,
    in_order,
    in_words,
    model_name,
)
from .explorer import text_hash, write_explorer
from .findings import findings, headline
from .pair_view import pair_context, template_text, templates
from .score_rows import ScoreRow, main_benchmark, score_rows, tables_of, tests_inside
from .standings import write_csv
from .summary import ReportFiles, build_summary, problem_outcomes
from .summary_record import Summary, write_summary


def write_page(
    summary: Summary,
    pairs: Iterable[PreferencePair],
    out: Path,
) -> None:
    """Write the page.

    Args:
        summary: the object of `summary.json`.
        pairs: the pairs to show, with their error regions.
        out: the file of the page.
    """
    rows = score_rows(summary)
    template = templates().get_template("page.html")
    html = template.render(
        summary=summary,
        headline=headline(summary),
        findings=findings(summary),
        tables=tables_of(rows),
        main=main_benchmark(summary),
        name=model_name,
        focal=FOCAL,
        reasons=_unmeasured(summary),
        tests_inside=tests_inside(rows),
        benchmark=benchmark_name,
        cost=summary.cost,
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
    with atomic_writer(out) as file:
        file.write(html)


def _unmeasured(summary: Summary) -> list[tuple[str, str]]:
    """Return (benchmarks, the reason why they could not be measured)."""
    by_reason: dict[str, set[str]] = {}
    for missing in summary.unavailable.values():
        for name, reason in missing.items():
            by_reason.setdefault(reason, set()).add(name)
    return [
        (", ".join(map(benchmark_name, in_order(names, BENCHMARKS))), reason)
        for reason, names in sorted(by_reason.items())
    ]


def _kinds(rows: Iterable[ScoreRow]) -> list[str]:
    """Return the kinds of failure in a table, the most frequent first."""
    totals = Counter[str]()
    for row in rows:
        totals.update(row.scores.failures)
    return sorted(+totals, key=lambda kind: (-totals[kind], kind))


def _as_yaml(params: Mapping[str, Any]) -> str:
    """Return parameters in the form of params.yaml, a value a line."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = io.StringIO()
    yaml.dump(params, text)
    return text.getvalue()


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


def choose_pairs(files: ReportFiles, count: int) -> list[PreferencePair]:
    """Return the pairs with the smallest hashes of their task_ids, so that no person picks them.

    The file is streamed; only the chosen pairs are held in memory.

    Raises:
        RecordError: a line is broken, or a span lies outside of its program.
    """
    pairs = (row for row in read_jsonl(files.focal, PreferencePair) if row.rejected is not None)
    return heapq.nsmallest(count, pairs, key=lambda pair: text_hash(pair.task_id))


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
