"""Format numbers alike in the terminal, on the page and in sentences."""

from collections.abc import Sequence
from math import floor, isfinite, log10

from ..statistics.comparison import Comparison, Kept


def percent(share: float) -> str:
    """Format a share as a percentage with one decimal.

    >>> percent(0.3456)
    '34.6%'
    """
    return f"{100 * share:.1f}%"


def readable(value: object) -> str:
    """Format a value for people: thousands are grouped, at most four digits after the point, no powers of ten.

    >>> readable(43300.0), readable(1234567), readable(0.73456), readable(0.00012), readable("text")
    ('43,300', '1,234,567', '0.7346', '0.00012', 'text')
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return str(value)
    if value == int(value):
        return f"{int(value):,}"
    if abs(value) >= 1:
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    # 0.00012 has its first digit at the fourth place: seven places show four digits.
    first_digit = -floor(log10(abs(value)))
    places = first_digit + 3
    return f"{value:.{places}f}".rstrip("0")


def points(share: float) -> str:
    """Format a difference of shares in percentage points, signed, with a true minus sign.

    >>> points(-0.021), points(0.5), points(-0.0001)
    ('−2.1', '+50.0', '0.0')
    """
    text = f"{100 * share:+.1f}"
    if text in ("+0.0", "-0.0"):
        return "0.0"
    return text.replace("-", "−")


def share(value: float) -> str:
    """Format a share in percent without the sign, for a column whose heading names the unit.

    >>> share(0.3456)
    '34.6'
    """
    return f"{100 * value:.1f}"


def shares(ends: Sequence[float]) -> str:
    """Format both ends of an interval of shares, in percent without the sign.

    >>> shares((0.3, 0.4567))
    '[30.0, 45.7]'
    """
    low, high = map(share, ends)
    return f"[{low}, {high}]"


def interval(ends: Sequence[float]) -> str:
    """Format both ends of an interval of differences, in percentage points.

    >>> interval((0.003, 0.046))
    '[+0.3, +4.6]'
    """
    low, high = ends
    return f"[{points(low)}, {points(high)}]"


def kept_percent(kept: Kept) -> str:
    """Format what was kept in whole percents: of 50 tasks a decimal would say nothing.

    >>> kept_percent(Kept(solved=50, share=0.94, ci95=(0.838, 0.979)))
    '94 [84, 98]'
    """
    low, high = kept.ci95
    return f"{100 * kept.share:.0f} [{100 * low:.0f}, {100 * high:.0f}]"


def p_value(p: float) -> str:
    """Format a p-value for a table.

    >>> p_value(0.03456), p_value(1e-9)
    ('0.035', '<0.001')
    """
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def p_equation(p: float) -> str:
    """Format a p-value with its name, for a sentence.

    >>> p_equation(0.03456), p_equation(1e-9)
    ('p = 0.035', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p_value(p)}"


def difference(comparison: Comparison) -> str:
    """Format a comparison's difference in percentage points: `+2.4 [+0.3, +4.6], p = 0.031`."""
    return f"{points(comparison.difference)} {interval(comparison.ci95)}, {p_equation(comparison.p_value)}"
