"""The pace of calls, on a clock of the tests' own."""

import asyncio
import logging

import pytest

from iterpref_core.models.inference.pacing import Pacing


class Clock:
    """A clock that goes on only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("iterpref_core.models.inference.pacing.time", clock)
    monkeypatch.setattr("iterpref_core.models.inference.pacing.asyncio", clock)
    return clock


def waited(pacing: Pacing, clock: Clock) -> float:
    """Seconds for which the next call waits for its turn."""
    before = clock.now
    asyncio.run(pacing.turn())
    return clock.now - before


def test_calls_begin_at_the_pace_that_the_user_sets(clock: Clock) -> None:
    pacing = Pacing("server", 300)
    assert [waited(pacing, clock) for _ in range(4)] == pytest.approx([0, 0.2, 0.2, 0.2])
    clock.now += 1
    assert waited(pacing, clock) == 0


def test_without_a_pace_no_call_waits(clock: Clock) -> None:
    pacing = Pacing("server", None)
    assert [waited(pacing, clock) for _ in range(3)] == [0, 0, 0]


def test_a_rate_limit_makes_all_calls_wait_and_says_so(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    pacing = Pacing("server", None)
    for _ in range(3):  # of calls in flight
        pacing.slow_down(1, "20")
    assert waited(pacing, clock) == pytest.approx(20)
    assert waited(pacing, clock) == 0
    assert caplog.text.count("server limits its rate: calls wait for 20 s") == 1


def test_without_retry_after_pauses_grow_to_the_bound(clock: Clock) -> None:
    pacing = Pacing("server", None)
    pauses = []
    for attempt in range(1, 12):
        pacing.slow_down(attempt, None)
        pauses.append(waited(pacing, clock))
    for pause, longest in zip(pauses, (0.5, 1, 2, 4, 8, 16, 32, 64, 120, 120, 120), strict=True):
        assert 0.75 * longest <= pause <= longest


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("Thu, 01 Jan 1970 00:16:50 GMT", 10), ("3600", 120)])
def test_retry_after_is_obeyed_up_to_the_bound(clock: Clock, header: str, seconds: float) -> None:
    pacing = Pacing("server", None)
    pacing.slow_down(1, header)
    assert waited(pacing, clock) == pytest.approx(seconds)


def test_other_failures_wait_for_eight_seconds_at_most(clock: Clock) -> None:
    before = clock.now
    asyncio.run(Pacing("server", None).after_failure(9))
    assert 6 <= clock.now - before <= 8
