"""Decide when the next call of a server may begin, how many are in flight, and how long a failed call waits.

A server that is busy sets the pace. Of 64 calls a server with two places refuses 62, and each refusal lowers the limit
of calls in flight by one: two are left. Each answer raises the limit, by one at first, and by as little as a fiftieth
if the server keeps refusing the additional call. So of 100 calls about two are refused, and a server that has more
places than before, or had fewer for a moment, is used in full after some hundred answers.
"""

import asyncio
import logging
import random
import re
import time

import httpx2

logger = logging.getLogger(__name__)

_FIRST_S = 0.5
"""Seconds of the first pause; each further one is twice as long."""
_FAILED_S = 8.0
"""The longest pause in seconds after a failure other than a rate limit."""
_LIMITED_S = 120.0
"""The longest pause in seconds for a server that limits its rate."""
_SAID_S = 5.0
"""A pause of at least this many seconds is logged."""
_LEAST_GROWTH = 1 / 125
"""The smallest amount by which an answer raises the limit."""
_UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?) ?(ms|[smh]|$)")
_RETRY = re.compile(r"(?:try again|retry)\w*\W{1,5}(?:(?:in|after)\W{1,3})?(\d[\d.]* ?[a-z][\w.]*)", re.IGNORECASE)
_SINCE_1970_S = 1e9


class Pacing:
    """The pace of all calls of one server.

    Args:
        name: the server's, for messages.
        per_minute: calls that may begin in a minute; None: any number.
        concurrency: calls that may be in flight.
    """

    def __init__(self, name: str, per_minute: float | None, concurrency: int) -> None:
        self._name = name
        self._gap_s = 60 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._concurrency = concurrency
        self._limit = float(concurrency)
        self._growth = 1.0
        self._grown = 0.0
        self._in_flight = 0
        self._ended = asyncio.Event()
        self._refusals = 0
        self._refused_at = self._refused_since = 0.0

    async def begin(self) -> float:
        """Wait until the next call may begin, and return the time; `end` has to follow."""
        # The time of the next call is set when this one begins: calls that wake late do not begin together.
        while (now := time.monotonic()) < self._next or self._in_flight + 1 > self._limit:
            if now < self._next:
                await asyncio.sleep(self._next - now)
            else:
                await self._ended.wait()
        self._in_flight += 1
        self._next = now + self._gap_s
        return now

    def end(self) -> None:
        """Let another call begin, since one has ended."""
        self._in_flight -= 1
        self._ended.set()
        self._ended = asyncio.Event()

    def succeeded(self) -> None:
        """Raise the limit of calls in flight, since the server has answered one."""
        self._refusals = 0
        if self._limit < self._concurrency:
            self._limit += self._growth
            self._grown += self._growth
            self._growth = min(1.0, self._growth * (1 + self._growth))

    def refused(self, began: float, retry_after_s: float, *, is_busy: bool) -> int:
        """Lower the limit of calls in flight by one, and have all calls wait, since the server has refused one.

        Args:
            began: when the refused call began.
            retry_after_s: the seconds that the server has asked to wait; 0 if it has not.
            is_busy: the server takes no further call now; else it limits its rate.

        Returns:
            The number of consecutive refusals. Refusals of calls that were in flight together count once.
        """
        now = time.monotonic()
        if not self._refusals:
            self._refused_since = now
        if began >= self._refused_at:
            self._refusals += 1
            self._refused_at = now
        # The limit grew too fast if it grew at all. A limit of calls in time does not limit calls in flight.
        if self._grown > 0 and (is_busy or not retry_after_s):
            self._grown -= 1
            self._growth = max(_LEAST_GROWTH, self._growth / 4)
        self._limit = max(1.0, self._limit - 1)
        # "Retry-After: 0", or a past date, does not allow calls without a pause.
        grown = _FIRST_S * 2 ** (self._refusals - 2) if self._refusals > 1 else 0.0
        grown = _jitter(min(grown, _FAILED_S if is_busy else _LIMITED_S))
        self._pause(min(max(retry_after_s, grown), _LIMITED_S))
        return self._refusals

    @property
    def refused_s(self) -> float:
        """The seconds since the first of the consecutive refusals."""
        return time.monotonic() - self._refused_since

    def _pause(self, seconds: float) -> None:
        """Have all calls wait."""
        resume = time.monotonic() + seconds
        if seconds >= _SAID_S and resume > self._next + _SAID_S:
            logger.warning(
                "%s limits its rate: calls wait for %.0f s; inference.requests_per_minute paces them",
                self._name,
                seconds,
            )
        self._next = max(self._next, resume)

    async def after_failure(self, attempt: int, retry_after_s: float = 0.0) -> None:
        """Wait after the given failed attempt, from 1, of a call that is to be repeated."""
        grown = _jitter(min(_FIRST_S * 2 ** (attempt - 1), _FAILED_S))
        await asyncio.sleep(max(grown, min(retry_after_s, _LIMITED_S)))


def seconds_to_wait(retry_after_s: float | None, response: httpx2.Response) -> float:
    """Return the seconds that a server asks to wait; 0 if it asks for none.

    Args:
        retry_after_s: what `openai` reads in the headers retry-after and retry-after-ms.
        response: has other headers, such as "x-ratelimit-reset-tokens: 1.7s", and a text, such as "try again in 6m0s"
            or "retryDelay": "36s". The text is about the limit that is reached, the headers are about each limit.
    """
    stated = [retry_after_s or 0.0, *(_seconds(found) for found in _RETRY.findall(response.text))]
    resets = [_seconds(value) for name, value in response.headers.items() if "ratelimit-reset" in name]
    wait_s = max(stated) or min(filter(None, resets), default=0.0)
    # "Retry-After: 1764500000" is a time, in seconds since 1970.
    return max(0.0, wait_s - time.time() if wait_s > _SINCE_1970_S else wait_s)


def _seconds(text: str) -> float:
    """Return the seconds of a duration.

    >>> _seconds("1.7s"), _seconds("6m0s"), _seconds("500 ms"), _seconds("7"), _seconds("soon")
    (1.7, 360.0, 0.5, 7.0, 0)
    """
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def _jitter(seconds: float) -> float:
    """Return up to a quarter less, so that calls that failed together are not repeated together."""
    return seconds * random.uniform(0.75, 1)
