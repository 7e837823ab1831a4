"""Pacing: when the next call of a server may begin, and how long a failed one waits."""

import asyncio
import logging
import random
import time
from email.utils import parsedate_to_datetime

logger = logging.getLogger(__name__)

_FIRST_S = 0.5
"""Seconds of the first pause; each further one is twice as long."""
_FAILED_S = 8.0
"""The longest pause in seconds after a failure that is no limit of a rate."""
_LIMITED_S = 120.0
"""The longest pause in seconds for a server that limits its rate."""
_SAID_S = 5.0
"""Seconds from which on a pause is said."""


class Pacing:
    """The pace of all calls of one server.

    Args:
        name: the server's, for messages.
        per_minute: calls that may begin in a minute; None: any number.
    """

    def __init__(self, name: str, per_minute: float | None) -> None:
        self._name = name
        self._gap_s = 60 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._resume = 0.0

    async def turn(self) -> None:
        """Wait until the next call may begin."""
        begin = max(time.monotonic(), self._next)
        self._next = begin + self._gap_s
        # A pause may be made longer while a call waits for its end.
        while (wait := max(begin, self._resume) - time.monotonic()) > 0:
            await asyncio.sleep(wait)

    async def after_failure(self, attempt: int) -> None:
        """Wait after the given failed attempt, from 1, of a call that is to be repeated."""
        await asyncio.sleep(_jitter(min(_FIRST_S * 2 ** (attempt - 1), _FAILED_S)))

    def slow_down(self, attempt: int, retry_after: str | None) -> None:
        """Have all calls wait, since the server limits its rate.

        Args:
            attempt: the attempt that failed, from 1: each further pause is twice as long.
            retry_after: the header of this name.
        """
        asked = _seconds(retry_after)
        # "Retry-After: 0", or a date that is past, is no leave to call without end.
        pause = asked if asked >= _FIRST_S else _jitter(_FIRST_S * 2 ** (attempt - 1))
        pause = min(pause, _LIMITED_S)
        resume = time.monotonic() + pause
        if resume > self._resume + _SAID_S and pause >= _SAID_S:
            logger.warning(
                "%s limits its rate: calls wait for %.0f s; inference.requests_per_minute paces them", self._name, pause
            )
        self._resume = max(self._resume, resume)


def _seconds(retry_after: str | None) -> float:
    """Return the seconds of a header `Retry-After`: a number, or until a date; 0 for anything else."""
    for read in (float, _until):
        try:
            return read(retry_after or "")
        except ValueError:
            continue
    return 0.0


def _until(date: str) -> float:
    return parsedate_to_datetime(date).timestamp() - time.time()


def _jitter(seconds: float) -> float:
    """Return up to a quarter less, so that calls that failed together are not repeated together."""
    return seconds * random.uniform(0.75, 1)
