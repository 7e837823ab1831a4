"""Failure kinds by model: exceptions, wrong answers, timeouts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from iterpref_core.report.labels import MAIN_BENCHMARK, benchmark_name, model_name
from iterpref_core.report.score_rows import measured_benchmarks, score_rows
from iterpref_core.report.summary import Summary

KINDS_COLORED = 5
"""Kinds of failure with a color of their own; rarer ones share one, and the table beside them has all."""


def failure_kinds(scores: Mapping[str, Any]) -> dict[str, int]:
    """Kind → failed programs: verdicts, where known with what was raised in place of `exception`.

    >>> failure_kinds({"errors": {"exception": 2, "wrong_answer": 3}, "exceptions": {"KeyError": 3}})
    {'KeyError': 3, 'wrong_answer': 2}
    """
    errors = {kind: number for kind, number in scores["errors"].items() if kind != "passed"}
    raised = scores.get("exceptions")
    if raised is None:
        return errors
    # What a unit test raised is a failed test: such programs are among the wrong answers.
    within_tests = sum(raised.values()) - errors.pop("exception", 0)
    rest = errors.pop("wrong_answer", 0) - within_tests
    return {**raised, **({"wrong_answer": rest} if rest else {}), **errors}


def failure_tables(summary: Summary) -> list[dict[str, Any]]:
    """One table for every benchmark on which a program failed, the main one first.

    Each has the benchmark's `name`, all `kinds` by frequency, those `colored` with the number of their color, and as
    `rows` (model, samples, counts by kind, pieces of its bar). A kind has one color on all benchmarks.
    """
    wholes = [row for row in score_rows(summary) if not row.part]
    tables = {
        benchmark: {row.model: summary["models"][row.model][benchmark] for row in wholes if row.benchmark == benchmark}
        for benchmark in measured_benchmarks(summary)
    }
    kinds = _by_frequency(failure_kinds(scores) for table in tables.values() for scores in table.values())
    colors = {kind: number for number, kind in enumerate(kinds[:KINDS_COLORED], 1)}
    shown = [_failure_table(benchmark, scores, colors) for benchmark, scores in tables.items()]
    return [table for table in shown if table["kinds"]]


def _failure_table(benchmark: str, scores: Mapping[str, Any], colors: Mapping[str, int]) -> dict[str, Any]:
    counts = {model: failure_kinds(of_model) for model, of_model in scores.items()}
    samples = {model: of_model["samples"] for model, of_model in scores.items()}
    kinds = _by_frequency(counts.values())
    return {
        "name": benchmark_name(benchmark),
        "main": benchmark == MAIN_BENCHMARK,
        "kinds": kinds,
        "colored": [(kind, number) for kind, number in colors.items() if kind in kinds],
        "rows": [(model_name(m), samples[m], c, _bar(samples[m], c, colors)) for m, c in counts.items()],
    }


def _by_frequency(counted: Iterable[Mapping[str, int]]) -> list[str]:
    """The kinds that occur, most frequent first."""
    totals: Counter[str] = Counter()
    for counts in counted:
        totals.update(counts)
    return sorted((kind for kind, number in totals.items() if number), key=lambda kind: (-totals[kind], kind))


def _bar(samples: int, counts: Mapping[str, int], colors: Mapping[str, int]) -> list[tuple[int, float, float]]:
    """(color, left end, width) of the pieces of a model's bar, in percent of all its programs; the rare kinds last."""
    pieces, left = [], 0.0
    by_color = {color: counts.get(kind, 0) for kind, color in colors.items()}
    by_color[KINDS_COLORED + 1] = sum(number for kind, number in counts.items() if kind not in colors)
    for color, number in by_color.items():
        width = 100 * number / samples
        if number:
            pieces.append((color, round(left, 3), round(width, 3)))
        left += width
    return pieces
