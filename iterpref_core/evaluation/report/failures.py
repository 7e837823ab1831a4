"""Failure kinds by model: exceptions, wrong answers, timeouts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from iterpref_core.evaluation.report.labels import MAIN_BENCHMARK, benchmark_name, model_name
from iterpref_core.evaluation.report.score_rows import measured_benchmarks, score_rows
from iterpref_core.evaluation.report.summary_record import BenchmarkScores, Summary

KINDS_COLORED = 5
"""The number of kinds of failure with a color of their own. Rarer kinds share one color; the table beside has all."""


def failure_kinds(errors: Mapping[str, int], exceptions: Mapping[str, int] | None) -> dict[str, int]:
    """Return kind → failed programs. A kind is a verdict, or the exception's name if it is known.

    >>> failure_kinds({"exception": 2, "wrong_answer": 3}, {"KeyError": 3})
    {'KeyError': 3, 'wrong_answer': 2}
    """
    others = {kind: number for kind, number in errors.items() if kind != "passed"}
    if exceptions is None:
        return others
    # An exception inside a unit test fails the test: such programs are among the wrong answers.
    within_tests = sum(exceptions.values()) - others.pop("exception", 0)
    rest = others.pop("wrong_answer", 0) - within_tests
    kinds = dict(exceptions)
    if rest:
        kinds["wrong_answer"] = rest
    return kinds | others


def failure_tables(summary: Summary) -> list[dict[str, Any]]:
    """Return one table for every benchmark on which a program failed, the main benchmark first.

    A table has the benchmark's `name`; all `kinds` by frequency; the `colored` kinds with the number of their color;
    and as `rows` (model, samples, counts by kind, pieces of the bar). A kind has one color on all benchmarks.
    """
    # Benchmark → model → the scores of the model.
    measured: dict[str, dict[str, BenchmarkScores]] = {benchmark: {} for benchmark in measured_benchmarks(summary)}
    counts = []
    for row in score_rows(summary):
        if row.part:
            continue
        scores = summary.models[row.model][row.benchmark]
        measured[row.benchmark][row.model] = scores
        counts.append(failure_kinds(scores.errors, scores.exceptions))
    # Colors are given by the frequency on all benchmarks together, so that a kind has the same one everywhere.
    most_frequent = _by_frequency(counts)[:KINDS_COLORED]
    colors = {kind: number for number, kind in enumerate(most_frequent, start=1)}
    tables = []
    for benchmark, scores_by_model in measured.items():
        table = _failure_table(benchmark, scores_by_model, colors)
        if table["kinds"]:
            tables.append(table)
    return tables


def _failure_table(
    benchmark: str,
    scores: Mapping[str, BenchmarkScores],
    colors: Mapping[str, int],
) -> dict[str, Any]:
    counts = {model: failure_kinds(of_model.errors, of_model.exceptions) for model, of_model in scores.items()}
    kinds = _by_frequency(counts.values())
    rows = []
    for model, counted in counts.items():
        samples = scores[model].samples
        bar = _bar(samples, counted, colors)
        rows.append((model_name(model), samples, counted, bar))
    return {
        "name": benchmark_name(benchmark),
        "main": benchmark == MAIN_BENCHMARK,
        "kinds": kinds,
        "colored": [(kind, number) for kind, number in colors.items() if kind in kinds],
        "rows": rows,
    }


def _by_frequency(counted: Iterable[Mapping[str, int]]) -> list[str]:
    """Return the kinds that occur, the most frequent first."""
    totals: Counter[str] = Counter()
    for counts in counted:
        totals.update(counts)
    occurring = [kind for kind, number in totals.items() if number]
    return sorted(occurring, key=lambda kind: (-totals[kind], kind))


def _bar(
    samples: int,
    counts: Mapping[str, int],
    colors: Mapping[str, int],
) -> list[tuple[int, float, float]]:
    """Return (color, left end, width) of the pieces of a model's bar, in percent of its programs; rare kinds last."""
    pieces = []
    left = 0.0
    by_color = {color: counts.get(kind, 0) for kind, color in colors.items()}
    # All rare kinds share one color, at the end of the bar.
    rare = [number for kind, number in counts.items() if kind not in colors]
    by_color[KINDS_COLORED + 1] = sum(rare)
    for color, number in by_color.items():
        width = 100 * number / samples
        if number:
            pieces.append((color, round(left, 3), round(width, 3)))
        left += width
    return pieces
