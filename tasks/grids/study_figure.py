"""The study's figure: what each method gained over its start, tuned and as published, beside what SFT gained."""

from collections.abc import Sequence
from pathlib import Path

from iterpref_core.report.charts import FOREST_WIDTH, ForestPlot, ForestRow, forest_plot
from iterpref_core.report.pair_view import templates
from iterpref_core.storage.jsonl import atomic_writer
from tasks.grids.comparison import ComparisonRow
from tasks.grids.study import REFERENCE, RegimeResult


def draw_study(regimes: Sequence[RegimeResult], path: Path) -> None:
    """Draw held-out gains with their 95% intervals as SVG, two panels a regime; each training is a dot of its own."""
    plots = [
        _panel(f"{found.regime}, {how}", rows)
        for found in regimes
        for how, rows in (("tuned", found.tuned), ("as published", found.published))
    ]
    height = max(plot.bottom for plot in plots) + 45
    with atomic_writer(path) as file:
        file.write(templates().get_template("forest_plots.svg").render(plots=plots, width=FOREST_WIDTH, height=height))


def _panel(title: str, rows: Sequence[ComparisonRow]) -> ForestPlot:
    start, *trained = rows
    drawn = [_row(row, start.pass_at_1) for row in trained]
    return forest_plot(
        f"{title}: {start.n:,} problems, {len(trained[0].scores)} seeds",
        f"points of pass@1 over the start ({start.pass_at_1:.1%}); dotted: {REFERENCE}",
        drawn,
        next(row.effect for row in drawn if row.label == REFERENCE),
    )


def _row(row: ComparisonRow, start: float) -> ForestRow:
    assert row.difference is not None
    assert row.ci95 is not None
    low, high = row.ci95
    gains = tuple(100 * (score - start) for score in row.scores)
    return ForestRow(row.label, 100 * row.difference, (100 * low, 100 * high), gains)
