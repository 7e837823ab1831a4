"""The study's figure: what each method gained over its start, and whether it is more than SFT gained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.grids.comparison import ComparisonRow
from tasks.grids.study import Regime

_INK, _DOT = "#1f4e79", "#9dbad5"


def draw_study(regimes: Sequence[Regime], path: Path) -> None:
    """Draw held-out gains with their 95% intervals, one panel a regime; each training is a dot of its own.

    Args:
        regimes: of `run_study`.
        path: an SVG or PNG file.
    """
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "iterpref"  # the same figure is the same file
    figure, axes = plt.subplots(1, len(regimes), figsize=(1 + 5 * len(regimes), 3.6), squeeze=False)
    for axis, regime in zip(axes[0], regimes, strict=True):
        _draw_regime(axis, regime)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _draw_regime(axis: Any, regime: Regime) -> None:
    start, *rows = regime.rows
    for place, row in enumerate(rows):
        _draw_row(axis, row, place, start.pass_at_1)
    axis.axvline(0, color="black", linewidth=0.8)
    sft = next(row for row in rows if row.label == "SFT")
    assert sft.difference is not None
    axis.axvline(100 * sft.difference, color="black", linewidth=0.8, linestyle=":")
    axis.set_yticks(range(len(rows)), [row.label for row in rows])
    axis.invert_yaxis()
    axis.set_xlabel(f"points of pass@1 over the start ({start.pass_at_1:.1%}); dotted: SFT")
    names = {"base": "from the student", "sft": "from the student after SFT"}
    axis.set_title(f"{names[regime.regime]}: {start.n:,} problems, {len(rows[0].scores)} seeds", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_row(axis: Any, row: ComparisonRow, place: int, start: float) -> None:
    assert row.difference is not None
    assert row.ci95 is not None
    axis.plot([100 * (score - start) for score in row.scores], [place + 0.18] * len(row.scores), ".", color=_DOT)
    axis.plot([100 * end for end in row.ci95], [place, place], color=_INK, linewidth=2)
    axis.plot([100 * row.difference], [place], "o", color=_INK)
