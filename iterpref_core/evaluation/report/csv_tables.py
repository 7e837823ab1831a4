"""Write the page's figures as CSV tables, for DVC's plots, MLflow and spreadsheets. Shares are of 1."""

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

from iterpref_core.evaluation.report.failures import failure_kinds
from iterpref_core.evaluation.report.score_rows import score_rows
from iterpref_core.evaluation.report.standings import write_csv
from iterpref_core.evaluation.report.summary import problem_outcomes
from iterpref_core.evaluation.report.summary_record import Summary
from iterpref_core.storage.jsonl import atomic_writer

Rows = Iterable[tuple[object, ...]]


def write_tables(summary: Summary, out: Path) -> None:
    """Write every table into a folder. A table without rows has its header: DVC's plots need the file."""
    for name, make_rows in TABLES.items():
        path = out / f"{name}.csv"
        with atomic_writer(path) as file:
            csv.writer(file, lineterminator="\n").writerows(make_rows(summary))
    write_csv(score_rows(summary), out / "results.csv")


def _pass_rate(summary: Summary) -> Rows:
    yield "iteration", "pass_rate"
    yield from enumerate(summary.codeflow.pass_rate_by_iteration)


def _failures(summary: Summary) -> Rows:
    yield "benchmark", "model", "kind", "samples", "share"
    for row in score_rows(summary):
        if row.part:
            continue
        scores = summary.models[row.model][row.benchmark]
        for kind, number in sorted(failure_kinds(scores.errors, scores.exceptions).items()):
            share = number / scores.samples
            yield row.benchmark, row.model, kind, number, share


def _outcomes(summary: Summary) -> Rows:
    yield "outcome", "problems", "share"
    yield from problem_outcomes(summary)


TABLES: dict[str, Callable[[Summary], Rows]] = {
    "pass_rate": _pass_rate,
    "failures": _failures,
    "outcomes": _outcomes,
}
"""Name of the file → the function that makes its rows, the columns' names first."""
