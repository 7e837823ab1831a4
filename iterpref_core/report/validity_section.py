"""Validity section: how much tests demand, from metrics to the summary, and to the page's charts."""

from typing import Any

from iterpref_core.report.charts import Histogram, histogram
from iterpref_core.report.labels import PAPER_COVERAGE
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
    found: dict[str, Any] = {name: int(metrics[name]) for name in ("problems", "mutants", "killed") if name in metrics}
    found["references"] = group(metrics, "reference")
    found |= {name: metrics[name] for name in ("line_coverage", "branch_coverage") if name in metrics}
    for name in SHARES:
        if f"{name}/mean" in metrics:
            tenths = [int(metrics[f"{name}/{tenth}"]) for tenth in range(10)]
            found[name] = {"mean": metrics[f"{name}/mean"], "tenths": tenths}
    if "judge/asked" in metrics:
        found["judge"] = group(metrics, "judge") | {
            name: {
                "mean": metrics[f"{name}/mean"],
                "scores": [int(metrics[f"{name}/{score}"]) for score in range(1, 6)],
            }
            for name in CRITERIA
            if f"{name}/mean" in metrics
        }
    return found


def share_charts(validity: dict[str, Any]) -> list[Histogram]:
    """Histograms of coverage, with the paper's mean, and of the mutation score."""
    charts = []
    for name, what in SHARES.items():
        if name in validity:
            mean = validity[name]["mean"]
            marks = [(f"mean {percent(mean)}", "target-rpo", mean)]
            if name == "coverage":
                marks.append((f"the paper's mean {percent(PAPER_COVERAGE)}", "paper", PAPER_COVERAGE))
            counts = [(f"{10 * t}–{10 * t + 10}%", count) for t, count in enumerate(validity[name]["tenths"])]
            ticks = [(tenth / 10, f"{10 * tenth}") for tenth in range(0, 11, 2)]
            charts.append(histogram(f"Problems by {_title(name)}", what, counts, (0, 1), ticks, marks))
    return [chart for chart in charts if chart is not None]


def judge_charts(validity: dict[str, Any]) -> list[Histogram]:
    """A histogram of the judge's scores for each criterion."""
    charts = []
    for name, question in CRITERIA.items():
        if name in validity.get("judge", {}):
            scored = validity["judge"][name]
            counts = [(f"score {score}", count) for score, count in enumerate(scored["scores"], 1)]
            ticks = [(float(score), str(score)) for score in range(1, 6)]
            marks = [(f"mean {scored['mean']:.2f}", "target-rpo", scored["mean"])]
            charts.append(histogram(f"Problems by {_title(name)}", question, counts, (0.5, 5.5), ticks, marks))
    return [chart for chart in charts if chart is not None]


def _title(name: str) -> str:
    return name.replace("_", " ")
