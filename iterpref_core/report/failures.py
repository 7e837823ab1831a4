"""Failure kinds by model: exceptions, wrong answers, timeouts; and what training fixed and broke."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from iterpref_core.report.labels import BENCHMARKS, MAIN_BENCHMARK, MODELS, benchmark_name, in_order, model_name
from iterpref_core.report.number_formats import difference, percent
from iterpref_core.report.summary import Summary, measured_benchmarks

KINDS_COLORED = 5
"""Kinds of failure with a color of their own; rarer ones share one, and the table beside them has all."""

TASKS_NAMED = 200
"""Tasks that a list on the page names at most; summary.json has all."""

PARTS = {
    "without_failed_truth": "whose own solution fails here",
    "without_overlap": "that overlap with training pairs",
}
"""Scores of a part of the tasks in summary.json, by the tasks that are left out."""


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
    tables = {}
    for benchmark in in_order(measured_benchmarks(summary), BENCHMARKS):
        tables[benchmark] = {
            model_name(model): summary["models"][model][benchmark]
            for model in in_order(set(summary["models"]), MODELS)
            if benchmark in summary["models"][model]
        }
    every = _by_frequency(failure_kinds(scores) for table in tables.values() for scores in table.values())
    colors = {kind: number for number, kind in enumerate(every[:KINDS_COLORED], 1)}
    found = [_failure_table(benchmark, scores, colors) for benchmark, scores in tables.items()]
    return [table for table in found if table["kinds"] or table["main"]]


def _failure_table(benchmark: str, scores: Mapping[str, Any], colors: Mapping[str, int]) -> dict[str, Any]:
    by_model = {name: failure_kinds(found) for name, found in scores.items()}
    samples = {name: found["samples"] for name, found in scores.items()}
    kinds = _by_frequency(by_model.values())
    return {
        "name": benchmark_name(benchmark),
        "main": benchmark == MAIN_BENCHMARK,
        "kinds": kinds,
        "colored": [(kind, number) for kind, number in colors.items() if kind in kinds],
        "rows": [(name, samples[name], c, _bar(samples[name], c, colors)) for name, c in by_model.items()],
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


def changes_from_base(summary: Summary) -> list[dict[str, Any]]:
    """What became of the tasks from base to each model, by benchmark: the matrix, the difference, the tasks."""
    rows = []
    for model in in_order(set(summary["comparisons"]), MODELS):
        against = summary["comparisons"][model].get("base", {})
        for benchmark in in_order(set(against), BENCHMARKS):
            compared = against[benchmark]
            rows.append(
                {
                    "model": model_name(model),
                    "benchmark": benchmark_name(benchmark),
                    "difference": difference(compared),
                    **{key: compared[key] for key in ("both", "lost", "gained", "neither")},
                    "tasks_gained": _listed(compared["tasks_gained"]),
                    "tasks_lost": _listed(compared["tasks_lost"]),
                }
            )
    return rows


def _listed(tasks: Sequence[str]) -> str:
    more = len(tasks) - TASKS_NAMED
    return ", ".join(tasks[:TASKS_NAMED]) + (f" and {more:,} more, in summary.json" if more > 0 else "")


def partial_scores(summary: Summary) -> dict[str, list[tuple[str, str, str, str, str]]]:
    """Scores with and without some tasks, by which these are: (model, benchmark, all, the rest, against base)."""
    rows: dict[str, list[tuple[str, str, str, str, str]]] = {}
    for model in in_order(set(summary["models"]), MODELS):
        for benchmark in in_order(set(summary["models"][model]), BENCHMARKS):
            scores = summary["models"][model][benchmark]
            compared = summary["comparisons"].get(model, {}).get("base", {}).get(benchmark, {})
            for part, label in PARTS.items():
                if part in scores:
                    against = difference(compared[part]) if part in compared else ""
                    names = model_name(model), benchmark_name(benchmark)
                    rows.setdefault(label, []).append((*names, _score(scores), _score(scores[part]), against))
    return rows


def _score(scores: Mapping[str, Any]) -> str:
    low, high = (percent(end) for end in scores["ci95"])
    return f"{percent(scores['pass_at_1'])} [{low}, {high}] of {scores['n']}"
