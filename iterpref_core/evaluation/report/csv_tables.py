"""CSV tables of the page's figures, for DVC's plots, MLflow and spreadsheets. Shares are of 1."""

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

from iterpref_core.evaluation.report.failures import failure_kinds
from iterpref_core.evaluation.report.score_rows import score_rows
from iterpref_core.evaluation.report.summary import problem_outcomes
from iterpref_core.evaluation.report.summary_record import Summary
from iterpref_core.storage.jsonl import atomic_writer

Rows = Iterable[tuple[object, ...]]


def write_tables(summary: Summary, out: Path) -> None:
    """Write every table into a folder. A table without rows has its header: DVC's plots need the file."""
    for name, (header, make_rows) in TABLES.items():
        path = out / f"{name}.csv"
        with atomic_writer(path) as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(header)
            table.writerows(make_rows(summary))


def _pass_rate(summary: Summary) -> Rows:
    yield from enumerate(summary.codeflow.pass_rate_by_iteration)


def _results(summary: Summary) -> Rows:
    """Yield a row for each score; a part of a benchmark is a row, too: `livecodebench/easy`."""
    for row in score_rows(summary):
        name = f"{row.benchmark}/{row.part}" if row.part else row.benchmark
        score = (row.n, row.score, *row.interval)
        difference: tuple[object, ...] = ("", "", "", "")
        if row.comparison:
            difference = (row.comparison.difference, *row.comparison.ci95, row.comparison.p_value)
        yield row.model, name, *score, *difference


def _failures(summary: Summary) -> Rows:
    for row in score_rows(summary):
        if row.part:
            continue
        scores = summary.models[row.model][row.benchmark]
        for kind, number in sorted(failure_kinds(scores.errors, scores.exceptions).items()):
            share = number / scores.samples
            yield row.benchmark, row.model, kind, number, share


DIFFERENCE = ("difference", "difference_lo", "difference_hi", "p_value")

TABLES: dict[str, tuple[tuple[str, ...], Callable[[Summary], Rows]]] = {
    "pass_rate": (("iteration", "pass_rate"), _pass_rate),
    "results": (("model", "benchmark", "n", "pass_at_1", "lo", "hi", *DIFFERENCE), _results),
    "failures": (("benchmark", "model", "kind", "samples", "share"), _failures),
    "outcomes": (("outcome", "problems", "share"), problem_outcomes),
}
"""Name of the file → its columns, and the function that makes its rows. Differences are from the base model."""
