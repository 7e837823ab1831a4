"""Validity section: how much tests demand, from metrics to the summary, and to the page's charts."""

from typing import Any

from iterpref_core.report.charts import Chart, histogram
from iterpref_core.report.labels import PAPER_COVERAGE, in_words
from iterpref_core.report.number_formats import percent
from iterpref_core.report.stage_outputs import group

CRITERIA = {
    "accuracy": "do the tests check what the task says?",
    "effectiveness": "would they catch plausible mistakes?",
    "reasonableness": "would they accept every correct solution?",
}
"""What a judge scores, and what it is asked."""

SHARES = {
    "coverage": "lines and branches that the tests execute, percent",
    "mutation_score": "mutants that fail the tests, percent",
}
"""What is measured, and the scale of its chart."""


def validity_summary(metrics: dict[str, float]) -> dict[str, Any]:
    """The metrics of stage `validity` in the summary's form.

    `tenths` counts problems by tenths of the share; `scores` those that the judge gave 1, 2, 3, 4 and 5. What was not
    measured is absent, such as `judge` where none was asked.
    """
    summary: dict[str, Any] = {
        name: int(metrics[name]) for name in ("problems", "mutants", "killed") if name in metrics
    }
    summary["references"] = group(metrics, "reference")
    summary |= {name: metrics[name] for name in ("line_coverage", "branch_coverage") if name in metrics}
    summary |= _distributions(metrics, SHARES, "tenths", range(10))
    if "judge/asked" in metrics:
        summary["judge"] = group(metrics, "judge") | _distributions(metrics, CRITERIA, "scores", range(1, 6))
    return summary


def validity_charts(validity: dict[str, Any]) -> list[Chart]:
    """Histograms of coverage, with the paper's mean, of the mutation score, and of a judge's scores by criterion."""
    paper = ("the paper's mean " + percent(PAPER_COVERAGE), "paper", PAPER_COVERAGE)
    tenths = [(tenth / 10, f"{10 * tenth}") for tenth in range(0, 11, 2)]
    scores = [(float(score), str(score)) for score in range(1, 6)]
    charts = []
    for name in (name for name in SHARES if name in validity):
        mean = validity[name]["mean"]
        marks = [(f"mean {percent(mean)}", "target-rpo", mean), *([paper] if name == "coverage" else ())]
        counts = [(f"{10 * tenth}–{10 * tenth + 10}%", count) for tenth, count in enumerate(validity[name]["tenths"])]
        charts.append(histogram(f"Problems by {in_words(name)}", SHARES[name], counts, (0, 1), tenths, marks))
    judge = validity.get("judge", {})
    for name in (name for name in CRITERIA if name in judge):
        mean = judge[name]["mean"]
        counts = [(f"score {score}", count) for score, count in enumerate(judge[name]["scores"], 1)]
        marks = [(f"mean {mean:.2f}", "target-rpo", mean)]
        charts.append(histogram(f"Problems by {name}", CRITERIA[name], counts, (0.5, 5.5), scores, marks))
    return [chart for chart in charts if chart is not None]


def _distributions(metrics: dict[str, float], names: dict[str, str], key: str, bins: range) -> dict[str, Any]:
    means = {name: metrics.get(f"{name}/mean", metrics.get(name)) for name in names}
    return {
        name: {"mean": mean, key: [int(metrics[f"{name}/{place}"]) for place in bins]}
        for name, mean in means.items()
        if mean is not None
    }
