"""The study's figure: what each method gained over its start, and whether it is more than SFT gained."""

from collections.abc import Sequence
from pathlib import Path

from iterpref_core.report.charts import FOREST_WIDTH, ForestPlot, ForestRow, forest_plot
from iterpref_core.report.pair_view import templates
from iterpref_core.storage.jsonl import atomic_writer
from tasks.grids.comparison import ComparisonRow
from tasks.grids.study import Regime

FROM = {"base": "from the student", "sft": "from the student after SFT"}


def draw_study(regimes: Sequence[Regime], path: Path) -> None:
    """Draw held-out gains with their 95% intervals as SVG, one panel a regime; each training is a dot of its own."""
    plots = [_panel(regime) for regime in regimes]
    height = max(plot.bottom for plot in plots) + 45
    with atomic_writer(path) as file:
        file.write(templates().get_template("forest_plots.svg").render(plots=plots, width=FOREST_WIDTH, height=height))


def _panel(regime: Regime) -> ForestPlot:
    start, *trained = regime.rows
    rows = [_row(row, start.pass_at_1) for row in trained]
    return forest_plot(
        f"{FROM[regime.regime]}: {start.n:,} problems, {len(trained[0].scores)} seeds",
        f"points of pass@1 over the start ({start.pass_at_1:.1%}); dotted: SFT",
        rows,
        next(row.effect for row in rows if row.label == "SFT"),
    )


def _row(row: ComparisonRow, start: float) -> ForestRow:
    assert row.difference is not None
    assert row.ci95 is not None
    low, high = row.ci95
    gains = tuple(100 * (score - start) for score in row.scores)
    return ForestRow(row.label, 100 * row.difference, (100 * low, 100 * high), gains)
