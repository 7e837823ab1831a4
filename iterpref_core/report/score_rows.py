"""Scores, a typed row for each: what page, terminal, CSV files, gate and cards loop over."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from iterpref_core.report.labels import BENCHMARKS, DIFFICULTIES, MAIN_BENCHMARK, MODELS, in_order
from iterpref_core.report.number_formats import interval, p_equation, points
from iterpref_core.report.summary import Summary

Interval = tuple[float, float]

SIGNIFICANT = 0.05
"""Below this p-value a difference is called one."""

PARTS = {
    "without_failed_truth": "without tasks whose own solution fails here",
    "without_overlap": "without tasks that training pairs overlap with",
}
"""Parts of a benchmark by the tasks that are left out; its difficulties are parts too."""


@dataclass(frozen=True)
class Difference:
    """pass@1 of a model less that of another on the same tasks, a share of 1, with its 95% interval and p-value."""

    value: float
    interval: Interval
    p: float

    @classmethod
    def of(cls, comparison: Mapping[str, Any] | None) -> "Difference | None":
        """A comparison as it stands in summary.json; None where there is none."""
        if not comparison:
            return None
        low, high = comparison["ci95"]
        return cls(comparison["difference"], (low, high), comparison["p_value"])

    @property
    def effect(self) -> int:
        """1 better, -1 worse, 0 within what chance explains: p is 0.05 or more, or the interval includes 0."""
        low, high = self.interval
        if self.p >= SIGNIFICANT or low <= 0 <= high:
            return 0
        return 1 if self.value > 0 else -1

    def __str__(self) -> str:
        """In percentage points.

        >>> str(Difference(0.024, (0.003, 0.046), 0.031))
        '+2.4 [+0.3, +4.6], p = 0.031'
        """
        return f"{points(self.value)} {interval(self.interval)}, {p_equation(self.p)}"


@dataclass(frozen=True)
class ScoreRow:
    """A model's score on a benchmark or a part of it; scores are shares of 1.

    Attributes:
        model: base, debugger or an objective.
        benchmark: its name.
        part: empty for all tasks, else a name in `PARTS` or a difficulty.
        n: tasks.
        score: pass@1.
        interval: 95%.
        score_at_5: pass@5, where several samples were drawn.
        difference: from the base model; None for that itself, and where it was not measured.
    """

    model: str
    benchmark: str
    part: str
    n: int
    score: float
    interval: Interval
    score_at_5: float | None
    difference: Difference | None


def score_rows(summary: Summary) -> list[ScoreRow]:
    """All scores of a summary, in the order of the results table; the parts of a benchmark after the whole."""
    return [
        row
        for model in in_order(set(summary["models"]), MODELS)
        for benchmark in in_order(set(summary["models"][model]), BENCHMARKS)
        for row in _rows_of(summary, model, benchmark)
    ]


def main_rows(summary: Summary) -> dict[str, ScoreRow]:
    """Model → its score on held-out problems."""
    return {row.model: row for row in score_rows(summary) if row.benchmark == MAIN_BENCHMARK and not row.part}


def measured_benchmarks(summary: Summary) -> list[str]:
    """The benchmarks that some model was measured on, in their order."""
    return in_order({name for scores in summary["models"].values() for name in scores}, BENCHMARKS)


def compared(summary: Summary, model: str, against: str, benchmark: str = MAIN_BENCHMARK) -> Summary:
    """A comparison of two models as it stands in summary.json; empty where there is none."""
    entry: Summary = summary["comparisons"].get(model, {}).get(against, {}).get(benchmark, {})
    return entry


def _rows_of(summary: Summary, model: str, benchmark: str) -> Iterator[ScoreRow]:
    scores, against_base = summary["models"][model][benchmark], compared(summary, model, "base", benchmark)
    yield _row(model, benchmark, "", scores, against_base)
    parts, compared_parts = scores.get("parts", {}), against_base.get("parts", {})
    for part in in_order(set(parts), PARTS | DIFFICULTIES):
        yield _row(model, benchmark, part, parts[part], compared_parts.get(part))


def _row(
    model: str, benchmark: str, part: str, scores: Mapping[str, Any], comparison: Mapping[str, Any] | None
) -> ScoreRow:
    low, high = scores["ci95"]
    at_5, difference = scores.get("pass_at_5"), Difference.of(comparison)
    return ScoreRow(model, benchmark, part, scores["n"], scores["pass_at_1"], (low, high), at_5, difference)
