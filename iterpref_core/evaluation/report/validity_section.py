"""Validity section: the quality of the tests, from metrics to the summary, and to the page's charts."""

from typing import Any

from iterpref_core.evaluation.report.charts import Chart, histogram
from iterpref_core.evaluation.report.labels import PAPER_COVERAGE, in_words
from iterpref_core.evaluation.report.number_formats import percent
from iterpref_core.evaluation.report.stage_outputs import group
from iterpref_core.evaluation.report.summary_record import ScoreDistribution, ShareDistribution, ValiditySummary

CRITERIA = {
    "accuracy": "do the tests check what the task says?",
    "effectiveness": "would they catch plausible mistakes?",
    "reasonableness": "would they accept every correct solution?",
}
"""The judge's criteria → the question of each."""

SHARES = {
    "coverage": "lines and branches that the tests execute, percent",
    "mutation_score": "mutants that fail the tests, percent",
}
"""The measured shares → the labels of their charts."""


def validity_summary(metrics: dict[str, float]) -> ValiditySummary:
    """Bring the metrics of stage `validity` into the summary's form."""
    summary: dict[str, Any] = {}
    for name in ("problems", "mutants", "killed"):
        if name in metrics:
            summary[name] = int(metrics[name])
    summary["references"] = group(metrics, "reference")
    for name in ("line_coverage", "branch_coverage"):
        if name in metrics:
            summary[name] = metrics[name]
    summary |= _distributions(metrics, SHARES, "tenths", range(10))
    if "judge/asked" in metrics:
        answers = group(metrics, "judge")
        scores = _distributions(metrics, CRITERIA, "scores", range(1, 6))
        summary["judge"] = answers | scores
    return ValiditySummary.model_validate(summary)


def validity_charts(validity: ValiditySummary) -> list[Chart]:
    """Draw histograms of coverage, with the paper's mean, of the mutation score, and of a judge's scores."""
    charts = []
    for name in SHARES:
        measured: ShareDistribution | None = getattr(validity, name)
        if measured is not None:
            charts.append(_share_chart(name, measured))
    for name in CRITERIA:
        # There are scores only if `validity.judge` names a model.
        scored: ScoreDistribution | None = getattr(validity.judge, name, None)
        if scored is not None:
            charts.append(_score_chart(name, scored))
    return [chart for chart in charts if chart is not None]


def _share_chart(name: str, measured: ShareDistribution) -> Chart | None:
    mean = measured.mean
    marks = [(f"mean {percent(mean)}", "target-rpo", mean)]
    if name == "coverage":
        marks.append(("the paper's mean " + percent(PAPER_COVERAGE), "paper", PAPER_COVERAGE))
    counts = []
    for tenth, count in enumerate(measured.tenths):
        first = 10 * tenth
        counts.append((f"{first}–{first + 10}%", count))
    ticks = [(tenth / 10, f"{10 * tenth}") for tenth in range(0, 11, 2)]
    return histogram(
        title=f"Problems by {in_words(name)}",
        x_label=SHARES[name],
        counts=counts,
        scale=(0, 1),
        x_ticks=ticks,
        marks=marks,
    )


def _score_chart(name: str, measured: ScoreDistribution) -> Chart | None:
    mean = measured.mean
    marks = [(f"mean {mean:.2f}", "target-rpo", mean)]
    counts = [(f"score {score}", count) for score, count in enumerate(measured.scores, start=1)]
    ticks = [(float(score), str(score)) for score in range(1, 6)]
    return histogram(
        title=f"Problems by {name}",
        x_label=CRITERIA[name],
        counts=counts,
        # A bar of width 1 stands around its score.
        scale=(0.5, 5.5),
        x_ticks=ticks,
        marks=marks,
    )


def _distributions(
    metrics: dict[str, float],
    names: dict[str, str],
    key: str,
    bins: range,
) -> dict[str, Any]:
    distributions: dict[str, Any] = {}
    for name in names:
        mean = metrics.get(f"{name}/mean", metrics.get(name))
        if mean is not None:
            counts = [int(metrics[f"{name}/{number}"]) for number in bins]
            distributions[name] = {"mean": mean, key: counts}
    return distributions
