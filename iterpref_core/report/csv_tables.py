"""CSV tables of the page's figures, for DVC's plots, MLflow and spreadsheets. Shares are of 1."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from iterpref_core.report.calls_curve import compared_curves, own_curve, paper_curve
from iterpref_core.report.failures import failure_kinds
from iterpref_core.report.labels import BENCHMARKS, DIFFICULTIES, MODELS, in_order
from iterpref_core.report.summary import Summary, problem_outcomes
from iterpref_core.report.validity_section import CRITERIA, SHARES
from iterpref_core.storage.jsonl import atomic_writer

Rows = Iterable[tuple[object, ...]]


def write_tables(summary: Summary, out: Path) -> None:
    """Write every table into a folder. One without rows has its header all the same: DVC's plots ask for the file."""
    for name, (header, rows) in TABLES.items():
        _write_csv(out / f"{name}.csv", header, rows(summary))


def _pass_rate(summary: Summary) -> Rows:
    yield from enumerate(summary["codeflow"]["pass_rate_by_iteration"])


def _measured(summary: Summary) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(model, benchmark, scores) of what was measured: a benchmark without data has no row."""
    for model in in_order(set(summary["models"]), MODELS):
        for benchmark in in_order(set(summary["models"][model]), BENCHMARKS):
            yield model, benchmark, summary["models"][model][benchmark]


def _results(summary: Summary) -> Rows:
    """Where a benchmark has difficulties, each is a row more: `livecodebench/easy`."""
    for model, benchmark, score in _measured(summary):
        against = summary["comparisons"].get(model, {}).get("base", {}).get(benchmark, {})
        yield model, benchmark, *_scores(score), *_difference(against)
        groups, compared = score.get("by_difficulty", {}), against.get("by_difficulty", {})
        for name in in_order(set(groups), DIFFICULTIES):
            yield model, f"{benchmark}/{name}", *_scores(groups[name]), *_difference(compared.get(name))


def _scores(score: Mapping[str, Any]) -> tuple[object, ...]:
    return score["n"], score["pass_at_1"], *score["ci95"]


def _difference(compared: Mapping[str, Any] | None) -> tuple[object, ...]:
    return (compared["difference"], *compared["ci95"], compared["p_value"]) if compared else ("",) * 4


def _published(summary: Summary) -> Rows:
    for row in summary["published"]:
        yield row["model"], row["method"], row["benchmark"], row["pass_at_1"], row["source"]


def _failures(summary: Summary) -> Rows:
    for model, benchmark, score in _measured(summary):
        for kind, number in sorted(failure_kinds(score).items()):
            yield benchmark, model, kind, number, number / score["samples"]


def _calls(summary: Summary) -> Rows:
    own, paper = ("this run", own_curve(summary)), ("the paper, debugging", paper_curve())
    for source, curve in chain([own], compared_curves(summary).items(), [paper]):
        yield from ((source, calls, share) for calls, share in curve)


def _validity(summary: Summary) -> Rows:
    """Tenths of a share, and a judge's scores: `bin` counts from the lowest, `label` names it."""
    validity = summary["validity"]
    for name in SHARES:
        for tenth, count in enumerate(validity.get(name, {}).get("tenths", ())):
            yield name, tenth, f"{10 * tenth}–{10 * tenth + 10}%", count
    for name in CRITERIA:
        for score, count in enumerate(validity.get("judge", {}).get(name, {}).get("scores", ()), 1):
            yield name, score, f"score {score}", count


DIFFERENCE = ("difference", "difference_lo", "difference_hi", "p_value")

TABLES: dict[str, tuple[tuple[str, ...], Callable[[Summary], Rows]]] = {
    "pass_rate": (("iteration", "pass_rate"), _pass_rate),
    "results": (("model", "benchmark", "n", "pass_at_1", "lo", "hi", *DIFFERENCE), _results),
    "published": (("model", "method", "benchmark", "pass_at_1", "source"), _published),
    "failures": (("benchmark", "model", "kind", "samples", "share"), _failures),
    "calls": (("source", "calls", "solved"), _calls),
    "outcomes": (("outcome", "problems", "share"), problem_outcomes),
    "validity": (("measure", "bin", "label", "problems"), _validity),
}
"""Name of the file → its columns, and what makes its rows. Differences are from the base model."""


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with atomic_writer(path) as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)
