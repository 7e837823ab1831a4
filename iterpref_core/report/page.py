"""Report page, `index.html`: the experiment without scripts and without a single outside request."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.report import number_formats as figures
from iterpref_core.report.calls_curve import calls_chart, calls_rows, paper_calls_rows
from iterpref_core.report.charts import Chart, Series, line_chart
from iterpref_core.report.failing_programs import OfModel
from iterpref_core.report.failures import changes_from_base, failure_tables, partial_scores
from iterpref_core.report.findings import findings, headline
from iterpref_core.report.labels import (
    BENCHMARKS,
    FOCAL,
    MAIN_BENCHMARK,
    MODELS,
    PAPER_CALLS_PER_PROBLEM,
    PAPER_COVERAGE,
    PAPER_PASS_RATES,
    benchmark_name,
    in_order,
    in_words,
    model_name,
)
from iterpref_core.report.pair_view import pair_context, style, templates
from iterpref_core.report.score_table import absent_benchmarks, difficulty_table, published_table, score_table
from iterpref_core.report.stage_outputs import Curve
from iterpref_core.report.summary import Summary, problem_outcomes
from iterpref_core.report.validity_section import judge_charts, share_charts
from iterpref_core.storage.jsonl import atomic_writer

REWARDS = {
    "rewards/margins": "Reward margin, chosen over rejected",
    "rewards/chosen": "Reward of the chosen program (below 0: less likely)",
}
"""Columns of the training curves that are drawn for all objectives together."""


def write_page(
    summary: Summary,
    curves: Mapping[str, Curve],
    pairs: Iterable[tuple[PreferencePair, FocalSpans]],
    failing: Sequence[OfModel],
    out: Path,
) -> None:
    """Write the page.

    Args:
        summary: the object of `summary.json`.
        curves: objective → training curve.
        pairs: the pairs to show, with their error regions.
        failing: programs to show that failed, by model.
        out: the page.
    """
    page = templates().get_template("page.html")
    html = page.render(
        summary=summary,
        headline=headline(summary),
        findings=findings(summary),
        results=_results(summary),
        scores=score_table(summary),
        published=published_table(summary),
        absent=absent_benchmarks(summary),
        main_truth=summary["ground_truth"].get(MAIN_BENCHMARK),
        reasons=_reasons(summary),
        difficulty=difficulty_table(summary),
        missing=[model_name(name) for name in summary["missing"]],
        comparisons=sum(len(others) for others in summary["comparisons"].values()),
        pass_rate=_pass_rate_chart(summary),
        pass_rates=_pass_rate_rows(summary),
        sampled=_sampled(summary),
        calls=calls_chart(summary, "this run"),
        calls_rows=calls_rows(summary),
        paper_calls_rows=paper_calls_rows(summary),
        paper_calls=PAPER_CALLS_PER_PROBLEM,
        funnel=_funnel(summary),
        share_charts=share_charts(summary["validity"]),
        judge_charts=judge_charts(summary["validity"]),
        paper_coverage=PAPER_COVERAGE,
        failures=failure_tables(summary),
        failing=failing,
        changes=changes_from_base(summary),
        partial=partial_scores(summary),
        losses=_loss_charts(curves),
        rewards=_reward_charts(curves),
        pairs=[pair_context(pair, spans) for pair, spans in pairs],
        params=yaml.safe_dump(summary["provenance"]["params"], sort_keys=False, allow_unicode=True),
        style=style(),
        percent=figures.percent,
        points=figures.points,
        p_value=figures.p_value,
        count="{:,}".format,
        words=in_words,
    )
    with atomic_writer(out) as file:
        file.write(html)


def _results(summary: Summary) -> list[dict[str, Any]]:
    """Rows of the held-out table: the models that were measured on it."""
    rows = []
    for model in in_order(set(summary["models"]), MODELS):
        scores = summary["models"][model].get(MAIN_BENCHMARK)
        compared = summary["comparisons"].get(model, {}).get("base", {}).get(MAIN_BENCHMARK)
        if scores is not None:
            shown = {"model": model, "name": model_name(model), "focal": model in FOCAL, "compared": compared}
            rows.append(shown | scores)
    return rows


def _reasons(summary: Summary) -> dict[str, str]:
    """Benchmarks that could not be measured → why."""
    reasons: dict[str, set[str]] = {}
    for unavailable in summary["unavailable"].values():
        for name, reason in unavailable.items():
            reasons.setdefault(reason, set()).add(name)
    return {
        ", ".join(benchmark_name(name) for name in in_order(which, BENCHMARKS)): reason
        for reason, which in sorted(reasons.items())
    }


def _sampled(summary: Summary) -> bool:
    """Whether the trajectories are samples, and not versions that were refined."""
    source: str = summary["provenance"]["params"]["codeflow"]["source"]
    return source == "sampling"


def _pass_rate_chart(summary: Summary) -> Chart | None:
    ours = tuple(enumerate(summary["codeflow"]["pass_rate_by_iteration"]))
    if _sampled(summary):
        series = [Series("this run", "target-rpo", tuple((place + 1, rate) for place, rate in ours))]
        return line_chart("Share of problems solved", "samples", series, (0, 1), "{:.0%}".format)
    paper = tuple(enumerate(PAPER_PASS_RATES))
    series = [Series("this run", "target-rpo", ours), Series("the paper", "paper", paper)]
    return line_chart("Share of problems solved", "iteration (0 is the draft)", series, (0, 1), "{:.0%}".format)


def _pass_rate_rows(summary: Summary) -> list[tuple[int, float | None, float | None]]:
    """(iteration, ours, the paper's); None beyond the end of either. The paper has no such curve of sampling."""
    ours = dict(enumerate(summary["codeflow"]["pass_rate_by_iteration"]))
    paper = {} if _sampled(summary) else dict(enumerate(PAPER_PASS_RATES))
    return [(number, ours.get(number), paper.get(number)) for number in sorted(ours.keys() | paper.keys())]


def _funnel(summary: Summary) -> list[tuple[str, int, float]]:
    """What became of the problems, without the reasons that do not occur."""
    pairs, *dropped = problem_outcomes(summary)
    return [pairs, *(row for row in dropped if row[1])]


def _loss_charts(curves: Mapping[str, Curve]) -> list[Chart]:
    """One chart an objective: their losses are different functions and do not compare."""
    charts = [line_chart(model_name(name), "step", [_series(name, curve, "loss")]) for name, curve in curves.items()]
    return [chart for chart in charts if chart is not None]


def _reward_charts(curves: Mapping[str, Curve]) -> list[Chart]:
    charts = [
        line_chart(title, "step", [_series(name, curve, column) for name, curve in curves.items()])
        for column, title in REWARDS.items()
    ]
    return [chart for chart in charts if chart is not None]


def _series(name: str, curve: Curve, column: str) -> Series:
    points = tuple((step["step"], step[column]) for step in curve if column in step and "step" in step)
    return Series(model_name(name), name, points)
