"""Report page, `index.html`: the experiment on one page, without scripts and without requests."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

import yaml

from iterpref_core.evaluation.report import number_formats
from iterpref_core.evaluation.report.charts import Chart, Series, line_chart
from iterpref_core.evaluation.report.failures import failure_tables
from iterpref_core.evaluation.report.findings import findings, headline
from iterpref_core.evaluation.report.labels import (
    FOCAL,
    MAIN_BENCHMARK,
    MODELS,
    PAPER_CALLS_PER_PROBLEM,
    PAPER_COVERAGE,
    PAPER_PASS_RATES,
    benchmark_name,
    in_words,
    model_name,
)
from iterpref_core.evaluation.report.pair_view import pair_context, template_text, templates
from iterpref_core.evaluation.report.score_rows import judged_inside, main_rows, unavailable_by_reason
from iterpref_core.evaluation.report.score_table import score_table
from iterpref_core.evaluation.report.stage_outputs import Curve
from iterpref_core.evaluation.report.summary import problem_outcomes
from iterpref_core.evaluation.report.summary_record import Summary
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.storage.jsonl import atomic_writer

REWARDS = {
    "rewards/margins": "Reward margin, chosen over rejected",
    "rewards/chosen": "Reward of the chosen program (below 0: less likely)",
    "reward": "Mean reward of the model's own answers: by default the share that pass their tests (GRPO)",
}
"""The columns of the training curves that one chart shows for all objectives → the chart's title."""


def write_page(
    summary: Summary,
    curves: Mapping[str, Curve],
    pairs: Iterable[tuple[PreferencePair, FocalSpans]],
    out: Path,
) -> None:
    """Write the page.

    Args:
        summary: the object of `summary.json`.
        curves: objective → training curve.
        pairs: the pairs to show, with their error regions.
        out: the file of the page.
    """
    sampled = summary.provenance.params["codeflow"]["source"] == "sampling"
    pass_rates = _pass_rates(summary.codeflow.pass_rate_by_iteration, sampled)
    template = templates().get_template("page.html")
    html = template.render(
        summary=summary,
        headline=headline(summary),
        findings=findings(summary),
        results=main_rows(summary).values(),
        names=MODELS,
        focal=FOCAL,
        scores=score_table(summary, parts=False),
        parts=score_table(summary, parts=True),
        main_truth=summary.ground_truth.get(MAIN_BENCHMARK),
        reasons=_unmeasured(summary),
        judged_inside=[(benchmark_name(name), inside, n) for name, inside, n in judged_inside(summary)],
        missing=[model_name(name) for name in summary.missing],
        comparisons=sum(len(others) for others in summary.comparisons.values()),
        sampled=sampled,
        pass_rate=_pass_rate_chart(pass_rates, sampled),
        pass_rates=pass_rates,
        paper_calls=PAPER_CALLS_PER_PROBLEM,
        outcomes=_outcomes(summary),
        paper_coverage=PAPER_COVERAGE,
        failures=failure_tables(summary),
        losses=_loss_charts(curves),
        rewards=_reward_charts(curves),
        pairs=[pair_context(pair, spans) for pair, spans in pairs],
        params=yaml.safe_dump(summary.provenance.params, sort_keys=False, allow_unicode=True),
        style=template_text("style.css"),
        figures=number_formats,
        percent=number_formats.percent,
        count="{:,}".format,
        words=in_words,
    )
    with atomic_writer(out) as file:
        file.write(html)


def _unmeasured(summary: Summary) -> list[tuple[str, str]]:
    """Return (benchmarks, the reason why they could not be measured)."""
    reasons = []
    for reason, names in unavailable_by_reason(summary).items():
        listed = ", ".join(map(benchmark_name, names))
        reasons.append((listed, reason))
    return reasons


def _outcomes(summary: Summary) -> list[tuple[str, int, float]]:
    """Return the outcomes of `problem_outcomes` that some problem had."""
    outcomes = []
    for outcome, problems, share in problem_outcomes(summary):
        if problems:
            outcomes.append((outcome, problems, share))
    return outcomes


def _loss_charts(curves: Mapping[str, Curve]) -> list[Chart]:
    """Return a chart of the loss for each objective: losses of two objectives cannot be compared."""
    charts = [_curve_chart(model_name(name), "loss", {name: curve}) for name, curve in curves.items()]
    return [chart for chart in charts if chart]


def _reward_charts(curves: Mapping[str, Curve]) -> list[Chart]:
    """Return a chart of all objectives for each column of `REWARDS`."""
    charts = [_curve_chart(title, column, curves) for column, title in REWARDS.items()]
    return [chart for chart in charts if chart]


def _pass_rates(rates: Sequence[float], sampled: bool) -> list[tuple[int, float | None, float | None]]:
    """Return (iteration or number of samples, pass rate of this run, pass rate of the paper)."""
    if sampled:
        # The paper has no curve of sampling.
        return [(number, rate, None) for number, rate in enumerate(rates, start=1)]
    return [(number, *both) for number, both in enumerate(zip_longest(rates, PAPER_PASS_RATES))]


def _pass_rate_chart(
    pass_rates: Iterable[tuple[int, float | None, float | None]],
    sampled: bool,
) -> Chart | None:
    """Draw the curve of this run beside that of the paper."""
    ours = []
    paper = []
    for number, our_rate, paper_rate in pass_rates:
        if our_rate is not None:
            ours.append((number, our_rate))
        if paper_rate is not None:
            paper.append((number, paper_rate))
    series = [Series("this run", "target-rpo", tuple(ours))]
    if paper:
        series.append(Series("the paper", "paper", tuple(paper)))
    return line_chart(
        title="Share of problems solved",
        x_label="samples" if sampled else "iteration (0 is the draft)",
        series=series,
        y_range=(0, 1),
        y_text="{:.0%}".format,
    )


def _curve_chart(title: str, column: str, curves: Mapping[str, Curve]) -> Chart | None:
    """Draw a column of these objectives' curves by step; None if no curve has the column."""
    series = []
    for name, curve in curves.items():
        points = []
        for step in curve:
            # SFT has no margin, and a metric of the validation set is not in every step.
            if "step" in step and column in step:
                points.append((step["step"], step[column]))
        series.append(Series(model_name(name), name, tuple(points)))
    return line_chart(title, "step", series)
