"""Rate limits: a server's wishes about pace, read from its headers and kept by all calls together."""

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")


class RateLimiter:
    """Holds every call back until a moment that only ever moves further away."""

    def __init__(self) -> None:
        self._opens_at = 0.0

    def close_for(self, seconds: float) -> None:
        """Let no call begin for so long."""
        self._opens_at = max(self._opens_at, time.monotonic() + seconds)

    @property
    def rest_s(self) -> float:
        """Seconds until calls may begin; 0 if they may."""
        return max(0.0, self._opens_at - time.monotonic())

    async def passed(self) -> None:
        """Wait until calls may begin."""
        while rest := self.rest_s:
            await asyncio.sleep(rest)


def seconds_to_pause(headers: Mapping[str, str], tokens: int) -> float:
    """For how long no call should begin, by the headers of an answer or a refusal; 0 where nothing speaks against one.

    `retry-after-ms` and `Retry-After` (seconds or a date, RFC 9110 section 10.2.3) say it outright. Otherwise the rest
    of an allowance does: `x-ratelimit-remaining-requests` and `-tokens`, which is used up until
    `x-ratelimit-reset-requests` and `-tokens`.

    Args:
        headers: their names in any case, as HTTP clients give them.
        tokens: what one call takes; an allowance of fewer tokens is used up.

    >>> seconds_to_pause({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"}, tokens=100)
    90.0
    """
    outright = _milliseconds(headers.get("retry-after-ms")) or _seconds_or_date(headers.get("retry-after"))
    if outright is not None:
        return max(outright, 0.0)
    pauses = [
        parse_duration(headers.get(f"x-ratelimit-reset-{kind}", "")) or 0.0
        for kind, needed in (("requests", 1), ("tokens", tokens))
        if (rest := _number(headers.get(f"x-ratelimit-remaining-{kind}"))) is not None and rest < needed
    ]
    return max(pauses, default=0.0)


def parse_duration(text: str) -> float | None:
    """Seconds of a duration such as `6m0s`, `20ms`, `1.5s` or, without a unit, `12`; None where it is none.

    >>> parse_duration("1h2m3.5s"), parse_duration("20ms"), parse_duration("7"), parse_duration("soon")
    (3723.5, 0.02, 7.0, None)
    """
    number = _number(text)
    if number is not None:
        return number
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(value) * _UNITS[unit] for value, unit in _PART.findall(text))


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _milliseconds(text: str | None) -> float | None:
    number = _number(text)
    return None if number is None else number / 1000


def _seconds_or_date(text: str | None) -> float | None:
    if text is None or (number := _number(text)) is not None:
        return None if text is None else number
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()
