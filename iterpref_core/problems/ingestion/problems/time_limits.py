"""Time limits of published sets: what a row states unambiguously is read, and all else is named."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

_NUMBER = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_UNITS = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1e-3),
}
"""Unit → seconds. All sets with limits write seconds, also where they write no unit (Codeforces: `2.0`)."""
_DURATION = {"seconds", "nanos"}
"""The fields of CodeContests' limits, which are protobuf's `Duration`."""
_SHOWN = 60
"""Characters of a value in an explanation."""


def read_time_limit(value: Any) -> tuple[float | None, str]:
    """Return a time limit in seconds, or None; and, for a value that says neither a limit nor none, an explanation.

    >>> [read_time_limit(value)[0] for value in ("2.0 seconds", "1500 ms", 2, " ")]
    [2.0, 1.5, 2.0, None]
    >>> [read_time_limit(value)[0] for value in ({"seconds": 2, "nanos": 500_000_000}, {"seconds": 0, "nanos": 0})]
    [2.5, None]
    >>> read_time_limit([2])
    (None, '[2] is no time limit in seconds')
    """
    try:
        return _seconds(value), ""
    except (ValueError, OverflowError):
        shown = value if isinstance(value, str) else json.dumps(value)
        return None, f"{shown[:_SHOWN]} is no time limit in seconds"


def _seconds(value: Any) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, Mapping) and value and value.keys() <= _DURATION:
        seconds = _whole(value.get("seconds")) + _whole(value.get("nanos")) / 1e9
        # CodeContests has a duration of 0 where the site states no limit.
        return _positive(seconds) if seconds else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _positive(value)
    stated = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if stated is None or stated[2].lower() not in _UNITS:
        raise ValueError
    return _positive(float(stated[1]) * _UNITS[stated[2].lower()])


def _whole(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError
    return value


def _positive(seconds: float) -> float:
    if not 0 < float(seconds) < math.inf:
        raise ValueError
    return float(seconds)
