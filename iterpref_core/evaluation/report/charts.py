"""Chart geometry for the templates. Colors live in the page's style sheet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from iterpref_core.evaluation.report.number_formats import readable

# The edges of the plotting area in a chart of 360 by 230 units, about its pixels on a phone. The labels of the axes
# stand outside.
LEFT = 50
RIGHT = 346
TOP = 12
BOTTOM = 190

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """A line of a chart, in the units of the data.

    Attributes:
        name: the line's name in the legend.
        style: the class of its color and dashes in the style sheet.
        points: (x, y) in order of x.
    """

    name: str
    style: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class ChartLine:
    """A line in the chart's own units.

    Attributes:
        name: the line's name in the legend.
        style: the class of its color and dashes in the style sheet.
        path: the points of an SVG polyline.
        dots: the points to mark; empty if they are too many to tell apart.
    """

    name: str
    style: str
    path: str
    dots: tuple[Point, ...]


@dataclass(frozen=True)
class Chart:
    """Lines in the chart's own units. Ticks are (position, label)."""

    title: str
    x_label: str
    lines: tuple[ChartLine, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


def line_chart(
    title: str,
    x_label: str,
    series: Sequence[Series],
    y_range: tuple[float, float] | None = None,
    y_text: Callable[[float], str] = readable,
) -> Chart | None:
    """Lay out a line chart, or return None if no series has a finite point.

    Args:
        title: the quantity on the y axis, with its unit.
        x_label: the quantity on the x axis.
        series: the lines.
        y_range: the ends of the y axis; None fits the data.
        y_text: writes a tick of the y axis.
    """
    finite = []
    for line in series:
        points = tuple(point for point in line.points if isfinite(point[1]))
        if points:
            finite.append(Series(line.name, line.style, points))
    if not finite:
        return None

    xs: list[float] = []
    ys: list[float] = []
    for line in finite:
        for x, y in line.points:
            xs.append(x)
            ys.append(y)
    low, high = y_range or (min(ys), max(ys))
    y_ticks = ticks(low, high)
    # The x axis begins at a round number, and ends where the data end.
    x_ticks = ticks(min(xs), max(xs))
    first = min(*xs, x_ticks[0])
    last = max(*xs, x_ticks[0])
    to_x = _linear_scale((first, last), (LEFT, RIGHT))
    to_y = _linear_scale((y_ticks[0], y_ticks[-1]), (BOTTOM, TOP))

    lines = []
    for line in finite:
        placed = [(to_x(x), to_y(y)) for x, y in line.points]
        lines.append(_line(line.name, line.style, placed))
    return Chart(
        title=title,
        x_label=x_label,
        lines=tuple(lines),
        x_ticks=tuple((to_x(x), readable(x)) for x in x_ticks if first <= x <= last),
        y_ticks=tuple((to_y(y), y_text(y)) for y in y_ticks),
    )


def ticks(low: float, high: float) -> list[float]:
    """Return up to seven round numbers, evenly spaced, the first at or below `low` and the last at or above `high`.

    >>> ticks(0.13, 0.61)
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    """
    if high <= low:
        middle = low
        half = (abs(middle) or 1) / 2
        low = middle - half
        high = middle + half
    # 0.13 to 0.61 asks for steps of about 0.096. The next of 0.01, 0.02, 0.05, 0.1 is 0.1.
    rough = (high - low) / 5
    power = 10.0 ** floor(log10(rough))
    round_steps = [power * factor for factor in (1, 2, 5, 10)]
    step = next(step for step in round_steps if step >= rough * (1 - 1e-9))
    # 0.3 / 0.1 is 2.9999999999999996: without the margin the first tick would be 0.2.
    first = floor(low / step + 1e-9)
    last = ceil(high / step - 1e-9)
    # 3 * 0.1 is 0.30000000000000004: twelve digits are 0.3.
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _linear_scale(source: Point, target: Point) -> Callable[[float], float]:
    """Return the linear map that takes both ends of `source` to those of `target`, to one decimal."""
    first, last = source
    low, high = target
    # From (0, 10) to (100, 0), 2.5 becomes 75. A source without width, as of a curve with one step, has the width 1.
    width = (last - first) or 1.0

    def scaled(value: float) -> float:
        share = (value - first) / width
        return round(low + share * (high - low), 1)

    return scaled


def _line(name: str, style: str, points: Sequence[Point]) -> ChartLine:
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    # The dots of a long curve would hide the curve.
    dots = tuple(points) if len(points) <= 12 else ()
    return ChartLine(name, style, path, dots)
