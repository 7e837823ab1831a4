"""Chart geometry: what the templates draw. Colors live in the page's style sheet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from iterpref_core.report.number_formats import readable

LEFT, RIGHT, TOP, BOTTOM = 50, 346, 12, 190
"""Edges of the plotting area in a chart of 360 by 230, about its pixels on a phone; the axes' labels stand outside."""

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
class Bar:
    """A bar in the chart's own units; `count` is what it stands for, `label` where on the scale it is."""

    x: float
    y: float
    width: float
    height: float
    count: int
    label: str


@dataclass(frozen=True)
class Chart:
    """Lines and bars in the chart's own units. Ticks are (position, label)."""

    title: str
    x_label: str
    lines: tuple[ChartLine, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    bars: tuple[Bar, ...] = ()


def line_chart(
    title: str,
    x_label: str,
    series: Sequence[Series],
    y_range: tuple[float, float] | None = None,
    y_text: Callable[[float], str] = readable,
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
    to_x = _linear_scale(x_ends, (LEFT, RIGHT))
    to_y = _linear_scale((y_ticks[0], y_ticks[-1]), (BOTTOM, TOP))
    return Chart(
        title,
        x_label,
        tuple(_line(s.name, s.style, [(to_x(x), to_y(y)) for x, y in s.points]) for s in finite if s.points),
        tuple((to_x(x), readable(x)) for x in x_ticks if x_ends[0] <= x <= x_ends[1]),
        tuple((to_y(y), y_text(y)) for y in y_ticks),
    )


def histogram(
    title: str,
    x_label: str,
    counts: Sequence[tuple[str, int]],
    scale: tuple[float, float],
    x_ticks: Sequence[tuple[float, str]],
    marks: Sequence[tuple[str, str, float]] = (),
) -> Chart | None:
    """Lay out bars of equal width; None where nothing was counted.

    Args:
        title: what is counted.
        x_label: what the scale is of.
        counts: label and count of every bar, from left to right.
        scale: where the first bar begins and the last one ends.
        x_ticks: (value on the scale, label).
        marks: (name, style, value on the scale), drawn as upright lines over the bars.
    """
    highest = max((count for _, count in counts), default=0)
    if not highest:
        return None
    y_ticks = [tick for tick in ticks(0, highest) if tick == int(tick)]
    to_x, to_y = _linear_scale(scale, (LEFT, RIGHT)), _linear_scale((0, y_ticks[-1]), (BOTTOM, TOP))
    width = (RIGHT - LEFT) / len(counts)
    bars = (
        Bar(round(LEFT + place * width + 1, 1), to_y(count), round(width - 2, 1), BOTTOM - to_y(count), count, label)
        for place, (label, count) in enumerate(counts)
    )
    lines = (
        _line(name, style, [(to_x(value), TOP), (to_x(value), BOTTOM)], dots=False) for name, style, value in marks
    )
    x_labels = tuple((to_x(value), label) for value, label in x_ticks)
    return Chart(title, x_label, tuple(lines), x_labels, tuple((to_y(y), readable(y)) for y in y_ticks), tuple(bars))


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


def _linear_scale(source: Point, target: Point) -> Callable[[float], float]:
    """The linear map that takes both ends of `source` to those of `target`, to one decimal."""
    width = (source[1] - source[0]) or 1.0
    return lambda value: round(target[0] + (value - source[0]) / width * (target[1] - target[0]), 1)


def _line(name: str, style: str, points: Sequence[Point], *, dots: bool = True) -> ChartLine:
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return ChartLine(name, style, path, tuple(points) if dots and len(points) <= 12 else ())
