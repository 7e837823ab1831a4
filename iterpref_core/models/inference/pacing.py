"""Decide when the next call of a server may begin, how many are in flight, and how long a failed call waits.

A server that is busy sets the pace. Of 64 calls a server with two places refuses 62, and each refusal lowers the number
of calls in flight by one: two are left. Answers raise that number, one at a time: after one answer at first, and after
up to 50 if the server keeps refusing the additional call. So of 100 calls about two are refused, and a server that has
more places than before, or had fewer for a moment, is used in full after some hundred answers.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

logger = logging.getLogger(__name__)

_FIRST_S = 0.5
"""Seconds of the first pause; each further one is twice as long."""
_FAILED_S = 8.0
"""The longest pause in seconds after a failure other than a rate limit."""
_LIMITED_S = 120.0
"""The longest pause in seconds for a server that limits its rate."""
_SAID_S = 5.0
"""A pause of at least this many seconds is logged."""
_RAISE_AFTER = 50.0
"""The largest number of answers between two tries of one call more than the server has taken."""


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
        self._resume = 0.0
        self._concurrency = concurrency
        self._limit = concurrency
        self._raise_after = 1.0
        self._answers = 0
        self._tries = 0
        self._in_flight = 0
        self._most = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._refusals = 0
        self._refused_at = 0.0

    async def begin(self) -> float:
        """Wait until the next call may begin, and return the time; `end` has to follow."""
        while self._in_flight >= self._limit:
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place
        self._in_flight += 1
        self._most = max(self._most, self._in_flight)
        try:
            # The time of the next call is set when this one begins: calls that wake late do not begin together.
            while (wait := max(self._next, self._resume) - time.monotonic()) > 0:
                await asyncio.sleep(wait)
        except BaseException:
            self.end()
            raise
        began = time.monotonic()
        self._next = began + self._gap_s
        return began

    def end(self) -> None:
        """Let the next call begin, since one has ended."""
        self._in_flight -= 1
        free = self._limit - self._in_flight
        while self._waiting and free > 0:
            place = self._waiting.popleft()
            # The call that waited there may have been given up, by Ctrl-C for example.
            if not place.done():
                place.set_result(None)
                free -= 1

    def succeeded(self) -> None:
        """Raise the number of calls in flight, if it is time to."""
        self._refusals = 0
        self._answers += 1
        if self._limit < self._concurrency and self._answers >= self._raise_after:
            self._limit += 1
            self._tries += 1
            self._answers = 0
            self._raise_after = max(1.0, self._raise_after / 2)

    def refused(self, began: float, retry_after_s: float, *, is_busy: bool) -> int:
        """Lower the number of calls in flight by one, and have all calls wait, since the server has refused one.

        Args:
            began: when the refused call began.
            retry_after_s: the seconds that the server has asked to wait; 0 if it has not.
            is_busy: the server takes no further call now; else it limits its rate.

        Returns:
            The number of consecutive refusals. Refusals of calls that were in flight together count once.
        """
        now = time.monotonic()
        if began >= self._refused_at:
            self._refusals += 1
            self._refused_at = now
        # A try of one more halves this number, and its refusal makes it four times as large. A limit of calls in time
        # does not limit calls in flight.
        if self._tries and (is_busy or not retry_after_s):
            self._tries -= 1
            self._raise_after = min(_RAISE_AFTER, 4 * self._raise_after)
        self._answers = 0
        # If calls begin slowly, fewer were in flight than allowed.
        self._limit = max(1, min(self._limit, self._most) - 1)
        self._most = self._limit
        # "Retry-After: 0", or a past date, does not allow calls without a pause.
        grown = _FIRST_S * 2 ** (self._refusals - 2) if self._refusals > 1 else 0.0
        grown = _jitter(min(grown, _FAILED_S if is_busy else _LIMITED_S))
        self._pause(min(max(retry_after_s, grown), _LIMITED_S))
        return self._refusals

    def _pause(self, seconds: float) -> None:
        """Have all calls wait."""
        resume = time.monotonic() + seconds
        if resume > self._resume + _SAID_S and seconds >= _SAID_S:
            logger.warning(
                "%s limits its rate: calls wait for %.0f s; inference.requests_per_minute paces them",
                self._name,
                seconds,
            )
        self._resume = max(self._resume, resume)

    async def after_failure(self, attempt: int, retry_after_s: float = 0.0) -> None:
        """Wait after the given failed attempt, from 1, of a call that is to be repeated."""
        grown = _jitter(min(_FIRST_S * 2 ** (attempt - 1), _FAILED_S))
        await asyncio.sleep(max(grown, min(retry_after_s, _LIMITED_S)))


def seconds_to_wait(headers: Mapping[str, str]) -> float:
    """Return the seconds that a server asks to wait, by its headers; 0 if it asks for none.

    >>> seconds_to_wait({"retry-after-ms": "1500", "retry-after": "2"}), seconds_to_wait({"retry-after": "0.2"})
    (1.5, 0.2)
    """
    for name, read in (("retry-after-ms", _thousandths), ("retry-after", float), ("retry-after", _until)):
        try:
            seconds = read(headers.get(name, ""))
        except (ValueError, OverflowError):
            continue
        return seconds if seconds > 0 else 0.0
    return 0.0


def _thousandths(milliseconds: str) -> float:
    return float(milliseconds) / 1000


def _until(date: str) -> float:
    return parsedate_to_datetime(date).timestamp() - time.time()


def _jitter(seconds: float) -> float:
    """Return up to a quarter less, so that calls that failed together are not repeated together."""
    return seconds * random.uniform(0.75, 1)
