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

_DIFFERENCE = ("difference", "difference_lo", "difference_hi", "p_value")


def write_tables(summary: Summary, out: Path) -> None:
    """Write every table into a folder. A table without rows has its header: DVC's plots need the file."""
    for name, make_rows in TABLES.items():
        path = out / f"{name}.csv"
        with atomic_writer(path) as file:
            csv.writer(file, lineterminator="\n").writerows(make_rows(summary))


def _pass_rate(summary: Summary) -> Rows:
    yield "iteration", "pass_rate"
    yield from enumerate(summary.codeflow.pass_rate_by_iteration)


def _results(summary: Summary) -> Rows:
    """Yield a row for each score; a part of a benchmark is a row, too: `livecodebench/easy`.

    Every k that some score has is a column. Differences are from the base model.
    """
    rows = score_rows(summary)
    further = sorted({k for row in rows for k in row.of_other_k})
    pass_at_k = [f"pass_at_{k}" for k in further]
    yield "model", "benchmark", "n", "pass_at_1", "lo", "hi", *pass_at_k, *_DIFFERENCE
    for row in rows:
        name = f"{row.benchmark}/{row.part}" if row.part else row.benchmark
        score = (row.n, row.score, *row.interval, *(row.of_other_k.get(k, "") for k in further))
        difference: tuple[object, ...] = ("", "", "", "")
        if row.comparison:
            difference = (row.comparison.difference, *row.comparison.ci95, row.comparison.p_value)
        yield row.model, name, *score, *difference


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
    "results": _results,
    "failures": _failures,
    "outcomes": _outcomes,
}
"""Name of the file → the function that makes its rows, the columns' names first."""
