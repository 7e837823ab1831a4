"""What a server's headers say about pace."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from iterpref_core.inference.openai.rate_limits import RateLimiter, parse_duration, seconds_to_pause
from tests.inference.conftest import Clock


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "later"}, 0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "6m0s"}, 0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-requests": "0"}, 0),
        ({"x-ratelimit-remaining-tokens": "99", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-tokens": "100", "x-ratelimit-reset-tokens": "20ms"}, 0),
        (
            {
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "3s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "2s",
            },
            3,
        ),
    ],
)
def test_a_pause_is_read_from_headers(headers: dict[str, str], seconds: float) -> None:
    assert seconds_to_pause(headers, tokens=100) == pytest.approx(seconds)


def test_a_date_to_retry_after_is_understood() -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=10)
    headers = {"retry-after": format_datetime(soon, usegmt=True)}
    before, pause, after = datetime.now(UTC), seconds_to_pause(headers, tokens=1), datetime.now(UTC)
    assert (soon - after).total_seconds() <= pause <= (soon - before).total_seconds()


@pytest.mark.parametrize("text", ["", "soon", "1x", "-3s", "nan", "inf", "3s later"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert parse_duration(text) is None


def test_a_gate_opens_when_the_longest_pause_is_over(clock: Clock) -> None:
    gate = RateLimiter()
    gate.close_for(60)
    gate.close_for(10)
    asyncio.run(gate.passed())
    assert clock.slept == [60]
    assert not gate.rest_s
