"""Chart geometry: what the templates draw. Colors live in the page's style sheet, and in the forest plot itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

WIDTH, HEIGHT = 360, 230
"""Size of a chart in its own units: drawn at about this many pixels on a phone, so that its text stays readable."""

LEFT, RIGHT, TOP, BOTTOM = 50, 346, 12, 190
"""Edges of the plotting area; outside it stand the axes' labels."""

FOREST_WIDTH, FOREST_LEFT, FOREST_RIGHT, FOREST_TOP, FOREST_ROW = 460, 140, 446, 30, 26
"""Of a forest plot: its width, edges of the plotting area (the rows' labels stand left of it), and a row's height."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """A line of a chart. `style` names its color and dashes in the style sheet."""

    name: str
    style: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class ChartLine:
    """A series in the chart's own units: `path` for a polyline, `dots` where the points are few enough to see."""

    name: str
    style: str
    path: str
    dots: tuple[Point, ...]


@dataclass(frozen=True)
class Chart:
    """A line chart in its own units. Ticks are (position, label)."""

    title: str
    x_label: str
    lines: tuple[ChartLine, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Bar:
    """A bar in the chart's own units; `count` is what it stands for, `label` where on the scale it is."""

    x: float
    y: float
    width: float
    height: float
    count: int
    label: str


@dataclass(frozen=True)
class Mark:
    """A value on the scale, drawn as an upright line over the bars."""

    name: str
    style: str
    x: float


@dataclass(frozen=True)
class Histogram:
    """How many things are where on a scale, in the chart's own units. Ticks are (position, label)."""

    title: str
    x_label: str
    bars: tuple[Bar, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class ForestRow:
    """An effect with its interval, and the single observations behind it; in data's or chart's units."""

    label: str
    effect: float
    interval: Point
    observations: tuple[float, ...]


@dataclass(frozen=True)
class ForestPlot:
    """Effects with their intervals, in the chart's own units. Rows are (y of the middle, row)."""

    title: str
    x_label: str
    rows: tuple[tuple[float, ForestRow], ...]
    x_ticks: tuple[tuple[float, str], ...]
    zero: float
    reference: float
    left: float
    right: float
    top: float
    bottom: float


def histogram(
    title: str,
    x_label: str,
    counts: Sequence[tuple[str, int]],
    scale: tuple[float, float],
    x_ticks: Sequence[tuple[float, str]],
    marks: Sequence[tuple[str, str, float]] = (),
) -> Histogram | None:
    """Lay out bars of equal width; None where nothing was counted.

    Args:
        title: what is counted.
        x_label: what the scale is of.
        counts: label and count of every bar, from left to right.
        scale: where the first bar begins and the last one ends.
        x_ticks: (value on the scale, label).
        marks: (name, style, value on the scale).
    """
    highest = max((count for _, count in counts), default=0)
    if not highest:
        return None
    y_ticks = [tick for tick in ticks(0, highest) if tick == int(tick)]
    to_x, to_y = linear_scale(scale, (LEFT, RIGHT)), linear_scale((0, y_ticks[-1]), (BOTTOM, TOP))
    width = (RIGHT - LEFT) / len(counts)
    bars = tuple(
        Bar(round(LEFT + place * width + 1, 1), to_y(count), round(width - 2, 1), BOTTOM - to_y(count), count, label)
        for place, (label, count) in enumerate(counts)
    )
    return Histogram(
        title,
        x_label,
        bars,
        tuple((to_x(value), label) for value, label in x_ticks),
        tuple((to_y(y), f"{y:g}") for y in y_ticks),
        tuple(Mark(name, style, to_x(value)) for name, style, value in marks),
    )


def line_chart(
    title: str,
    x_label: str,
    series: Sequence[Series],
    y_range: tuple[float, float] | None = None,
    y_text: Callable[[float], str] = "{:g}".format,
) -> Chart | None:
    """Lay out a line chart; None where no series has a finite point.

    Args:
        title: what is on the y axis, units included.
        x_label: what is on the x axis.
        series: the lines.
        y_range: ends of the y axis; None fits the data.
        y_text: writes a tick of the y axis.
    """
    finite = [Series(s.name, s.style, tuple(p for p in s.points if isfinite(p[1]))) for s in series]
    points = [point for s in finite for point in s.points]
    if not points:
        return None
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x_ticks, y_ticks = ticks(min(xs), max(xs)), ticks(*(y_range or (min(ys), max(ys))))
    x_ends = min(*xs, x_ticks[0]), max(*xs, x_ticks[0])
    to_x = linear_scale(x_ends, (LEFT, RIGHT))
    to_y = linear_scale((y_ticks[0], y_ticks[-1]), (BOTTOM, TOP))
    return Chart(
        title,
        x_label,
        tuple(_line(s, to_x, to_y) for s in finite if s.points),
        tuple((to_x(x), f"{x:g}") for x in x_ticks if x_ends[0] <= x <= x_ends[1]),
        tuple((to_y(y), y_text(y)) for y in y_ticks),
    )


def forest_plot(title: str, x_label: str, rows: Sequence[ForestRow], reference: float) -> ForestPlot:
    """Lay out a forest plot.

    Args:
        title: what is compared.
        x_label: what the effects are of, units included.
        rows: from the top.
        reference: an effect that all rows are compared to, beside none at all.
    """
    values = [0, reference, *(value for row in rows for value in (*row.interval, row.effect, *row.observations))]
    low, high = min(values), max(values)
    to_x = linear_scale((low, high), (FOREST_LEFT + 6, FOREST_RIGHT))
    placed = (
        ForestRow(r.label, to_x(r.effect), (to_x(r.interval[0]), to_x(r.interval[1])), tuple(map(to_x, r.observations)))
        for r in rows
    )
    return ForestPlot(
        title,
        x_label,
        tuple((FOREST_TOP + FOREST_ROW * (place + 0.5), row) for place, row in enumerate(placed)),
        tuple((to_x(x), f"{x:g}") for x in ticks(low, high) if low <= x <= high),
        to_x(0),
        to_x(reference),
        FOREST_LEFT,
        FOREST_RIGHT,
        FOREST_TOP,
        FOREST_TOP + FOREST_ROW * len(rows),
    )


def ticks(low: float, high: float) -> list[float]:
    """Up to seven round numbers, evenly spaced, the first at or below `low` and the last at or above `high`.

    >>> ticks(0.13, 0.61)
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    """
    if high <= low:
        low, high = low - (abs(low) or 1) / 2, low + (abs(low) or 1) / 2
    rough = (high - low) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def linear_scale(source: Point, target: Point) -> Callable[[float], float]:
    """The linear map that takes both ends of `source` to those of `target`, to one decimal."""
    width = (source[1] - source[0]) or 1.0
    return lambda value: round(target[0] + (value - source[0]) / width * (target[1] - target[0]), 1)


def _line(series: Series, to_x: Callable[[float], float], to_y: Callable[[float], float]) -> ChartLine:
    points = tuple((to_x(x), to_y(y)) for x, y in series.points)
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return ChartLine(series.name, series.style, path, points if len(points) <= 12 else ())
