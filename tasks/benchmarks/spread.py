"""Spread of measured values."""

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles."""
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else list(values) * 3
    return {name: round(value, 3) for name, value in zip(("q1", "median", "q3"), quartiles, strict=True)}
