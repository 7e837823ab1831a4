"""The study's figures: gains over the start, pass@1 over the learning rate, and what changed inside, a row a regime."""

from collections.abc import Callable, Sequence
from math import log10
from pathlib import Path
from typing import Any, NamedTuple

from iterpref_core.report.charts import FOREST_WIDTH, ForestPlot, ForestRow, forest_plot, linear_scale, ticks
from iterpref_core.report.pair_view import templates
from iterpref_core.storage.jsonl import atomic_writer, atomic_writers
from tasks.grids.comparison import ComparisonRow
from tasks.grids.study import Change, RegimeResult, StudyChoice, Tried
from tasks.grids.study_methods import LABELS, REFERENCE
from tasks.grids.trial import Inside

FIGURES = ("gains.svg", "rates.svg", "changes.svg")
_MOST_COLUMNS = 5
_PLACES = {label: place for place, label in enumerate(LABELS)}
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 200, 170, 45, 188, 36, 132

_CHANGES: tuple[tuple[str, Callable[[Change], float]], ...] = (
    ("held-out problems fixed", lambda one: one.fixed),
    ("held-out problems broken", lambda one: one.broken),
    ("pass@10, points", lambda one: 100 * _inside(one).pass_at_10),
    ("log-probability of y+, nats gained", lambda one: _gain(one, "chosen_logp")),
    ("probability of the first wrong token, gain", lambda one: _gain(one, "first_wrong")),
    ("KL on D-, nats a token", lambda one: _moved(one, "kl_error")),
    ("KL on the rest of y-", lambda one: _moved(one, "kl_rejected")),
    ("KL on y+", lambda one: _moved(one, "kl_chosen")),
    ("KL on other programs", lambda one: _moved(one, "kl_unrelated")),
)


class _Panel(NamedTuple):
    """One method's scores over the rate, in the figure's own units. Ticks are (position, label)."""

    title: str
    note: str
    points: tuple[tuple[float, float], ...]
    start: float
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


def draw_study(regimes: Sequence[RegimeResult], folder: Path) -> None:
    """Draw the `FIGURES` into a folder, as SVG.

    `gains.svg`: held-out gains with their 95% intervals, tuned and as published; each training is a dot of its own.
    `rates.svg`: pass@1 on validation over the learning rate, a panel a method. `changes.svg`: a panel a measure.
    """
    gains = [
        _gains_panel(f"{found.choice.regime}, {how}", rows)
        for found in regimes
        for how, rows in (("tuned", found.tuned), ("as published", found.published))
    ]
    changes = [_change_panel(found, *measure) for found in regimes for measure in _CHANGES]
    draw_rates([found.choice for found in regimes], folder)
    with atomic_writers(folder / "gains.svg", folder / "changes.svg") as (gains_file, changes_file):
        assert gains_file, "it was asked for"
        assert changes_file, "as well"
        gains_file.write(_forest(gains, 2))
        changes_file.write(_forest(changes, len(_CHANGES) // 3))


def draw_rates(choices: Sequence[StudyChoice], folder: Path) -> None:
    """Draw `rates.svg` into a folder: all that is known before anything is held out."""
    columns = min(_MOST_COLUMNS, max(len(choice.chosen) for choice in choices))
    panels = [panel for choice in choices for panel in _rate_panels(choice, columns)]
    drawn = _render(
        "rate_panels.svg", panels=panels, columns=columns, rows=len(panels) // columns, width=_WIDTH, height=_HEIGHT,
        left=_LEFT, right=_RIGHT, bottom=_BOTTOM,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_writer(folder / "rates.svg") as file:
        file.write(drawn)


def share_above_start(choice: StudyChoice, label: str) -> float:
    """The share of a method's configurations in which it improves on its start."""
    scores = [one.pass_at_1 for one in choice.tried if one.label == label]
    return sum(score > choice.start for score in scores) / len(scores)


def _render(template: str, **values: Any) -> str:
    return templates().get_template(template).render(**values)


def _forest(plots: Sequence[ForestPlot], columns: int) -> str:
    placed: list[tuple[float, float, ForestPlot]] = []
    height = 0.0
    for first in range(0, len(plots), columns):
        row = plots[first : first + columns]
        placed += [(FOREST_WIDTH * place, height, plot) for place, plot in enumerate(row)]
        height += max(plot.bottom for plot in row) + 45
    return _render("forest_plots.svg", placed=placed, plot_width=FOREST_WIDTH, columns=columns, height=height)


def _gains_panel(title: str, rows: Sequence[ComparisonRow]) -> ForestPlot:
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


def _rate_panels(choice: StudyChoice, columns: int) -> list[_Panel | None]:
    """A panel a method, on the same axes and in the study's order; None fills the last row."""
    by_label: dict[str, list[Tried]] = {}
    for one in choice.tried:
        by_label.setdefault(one.label, []).append(one)
    rates = [log10(one.setting.learning_rate) for one in choice.tried]
    low, high = min(rates), max(rates)
    scores = [choice.start, *(one.pass_at_1 for one in choice.tried)]
    y_values = ticks(min(scores), max(scores))[::2]
    ends = min(scores + y_values), max(scores + y_values)
    to_x, to_y = linear_scale((low, high), (_LEFT, _RIGHT)), linear_scale(ends, (_BOTTOM, _TOP))
    x_ticks = tuple((to_x(power), f"1e{power}") for power in range(-9, 1) if low <= power <= high)
    y_ticks = tuple((to_y(value), f"{value:.0%}") for value in y_values)
    panels: list[_Panel | None] = [
        _Panel(
            f"{choice.regime}: {label}",
            f"{share_above_start(choice, label):.0%} above the start",
            tuple((to_x(log10(one.setting.learning_rate)), to_y(one.pass_at_1)) for one in by_label[label]),
            to_y(choice.start), x_ticks, y_ticks,
        )
        for label in sorted(by_label, key=lambda label: _PLACES.get(label, len(_PLACES)))
    ]  # fmt: skip
    return panels + [None] * (-len(panels) % columns)


def _change_panel(found: RegimeResult, title: str, measure: Callable[[Change], float]) -> ForestPlot:
    """What diverged has no row."""
    values = {label: measure(change) for label, change in found.changes.items() if change.inside}
    rows = [ForestRow(label, value, (value, value), ()) for label, value in values.items()]
    return forest_plot(f"{found.choice.regime}: {title}", f"dotted: {REFERENCE}", rows, values.get(REFERENCE, 0.0))


def _inside(change: Change) -> Inside:
    assert change.inside, "left out before"
    return change.inside


def _moved(change: Change, name: str) -> float:
    return float(getattr(_inside(change).divergence, name))


def _gain(change: Change, name: str) -> float:
    before, after = getattr(_inside(change).divergence, name)
    return float(after - before)
