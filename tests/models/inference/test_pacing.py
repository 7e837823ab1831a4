"""The pace of calls, on a clock of the tests' own."""

import asyncio
import itertools
import logging
import time
from types import SimpleNamespace

import httpx2
import pytest

from iterpref_core.models.inference.pacing import Pacing, seconds_to_wait

SINCE_1970 = 1.7e9


class Clock:
    """A clock that goes on only where somebody sleeps."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def time(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("iterpref_core.models.inference.pacing.time", clock)
    monkeypatch.setattr("iterpref_core.models.inference.pacing.asyncio.sleep", clock.sleep)
    return clock


def waited(pacing, clock):
    """Seconds for which the next call waits for its turn."""
    before = clock.now
    asyncio.run(pacing.begin())
    pacing.end()
    return clock.now - before


def test_calls_begin_at_the_pace_that_the_user_sets(clock):
    pacing = Pacing("server", 300, 8)
    assert [waited(pacing, clock) for _ in range(4)] == pytest.approx([0, 0.2, 0.2, 0.2])
    clock.now += 1
    assert waited(pacing, clock) == 0


def test_calls_that_wake_late_do_not_begin_together():
    pacing = Pacing("server", 6000, 64)

    async def calls():
        async def stall():
            await asyncio.sleep(0.005)
            time.sleep(0.1)  # a machine that is busy with something else

        *began, _ = await asyncio.gather(*[pacing.begin() for _ in range(15)], stall())
        return sorted(began)

    began = asyncio.run(calls())
    assert min(later - earlier for earlier, later in itertools.pairwise(began)) >= 0.00999


@pytest.mark.parametrize(("asked", "seconds"), [(20, 20), (3600, 120)])
def test_a_rate_limit_makes_all_calls_wait_up_to_the_bound_and_says_so(asked, seconds, clock, caplog):
    caplog.set_level(logging.WARNING)
    pacing = Pacing("server", None, 8)
    began = [asyncio.run(pacing.begin()) for _ in range(3)]
    clock.now += 0.001
    for each in began:
        pacing.end()
        assert pacing.refused(each, asked, is_busy=False) == 1, "calls in flight together are one refusal"
    assert waited(pacing, clock) == pytest.approx(seconds)
    assert waited(pacing, clock) == 0
    assert caplog.text.count(f"server limits its rate: calls wait for {seconds} s") == 1


@pytest.mark.parametrize(("is_busy", "longest"), [(False, 120), (True, 8)])
def test_without_retry_after_pauses_grow_to_the_bound(clock, is_busy, longest):
    pacing = Pacing("server", None, 8)
    pauses = []
    for number in range(1, 13):
        began = asyncio.run(pacing.begin())
        clock.now += 0.001
        pacing.end()
        assert pacing.refused(began, 0.0, is_busy=is_busy) == number
        pauses.append(waited(pacing, clock))
    assert pauses[0] == 0, "one refusal may be of one call too many"
    for pause, grown in zip(pauses[1:], (0.5, 1, 2, 4, 8, 16, 32, 64, 120, 120, 120), strict=True):
        assert 0.75 * min(grown, longest) <= pause <= min(grown, longest) + 1e-9


@pytest.mark.parametrize(
    ("retry_after_s", "headers", "text", "seconds"),
    [
        (None, {}, "", 0),
        (0.2, {}, "", 0.2),
        (-3, {}, "", 0),
        (1010, {}, "", 1010),
        (SINCE_1970 + 7, {}, "", 7),
        (None, {"x-ratelimit-reset-requests": "0s", "x-ratelimit-reset-tokens": "1.7s"}, "", 1.7),
        (None, {"x-ratelimit-reset-requests": "8m20s", "x-ratelimit-reset-tokens": "820ms"}, "", 0.82),
        (None, {"ratelimit-reset": "7"}, "", 7),
        (None, {"x-ratelimit-reset": f"{SINCE_1970 + 9:.0f}"}, "", 9),
        (None, {"x-ratelimit-reset-tokens": "2m"}, "Limit 6000, Used 5034. Please try again in 1.4s. Need more?", 1.4),
        (0, {}, "Please try again in 6m0s.", 360),
        (None, {}, "Please retry after 2 seconds", 2),
        (None, {}, '{"retryDelay": "36s"}', 36),
        (None, {"x-ratelimit-reset-tokens": "soon"}, "try again later: 3 of 3", 0),
    ],
)
def test_a_server_says_how_long_to_wait(clock, retry_after_s, headers, text, seconds):
    clock.now = SINCE_1970
    response = httpx2.Response(429, headers=headers, text=text)
    assert seconds_to_wait(retry_after_s, response) == pytest.approx(seconds)


def test_other_failures_wait_for_eight_seconds_at_most(clock):
    for attempt, asked, least, most in ((9, 0.0, 6, 8), (1, 30.0, 29.9, 30.1)):
        before = clock.now
        asyncio.run(Pacing("server", None, 8).after_failure(attempt, asked))
        assert least <= clock.now - before <= most


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next event: an hour takes no longer than what happens in it."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        selector = self._selector
        select = selector.select

        def jump(timeout=None):
            self.now += timeout or 0.0
            return list(select(0))

        selector.select = jump

    def time(self):
        return self.now


class BusyServer:
    """A server that answers in 50 ms, has some places, and refuses what is more."""

    def __init__(self, places):
        self.places = places
        self.taken = self.refused = 0

    async def call(self):
        await asyncio.sleep(0.001)
        if self.taken >= self.places:
            self.refused += 1
            return False
        self.taken += 1
        await asyncio.sleep(0.05)
        self.taken -= 1
        return True


async def ask(pacing, server, requests):
    """Ask in turn, as a worker of the endpoint's model does."""
    for _ in requests:
        while True:
            began = await pacing.begin()
            is_answered = await server.call()
            pacing.end()
            if is_answered:
                pacing.succeeded()
                break
            assert pacing.refused(began, 0.0, is_busy=True) < 10, "given up"
            await pacing.after_failure(1)


@pytest.mark.parametrize(
    "changes", [[(0, 8), (2, 3), (5, 8)], pytest.param([(0, 2), (30, 32)], marks=pytest.mark.slow)]
)
def test_ten_thousand_calls_of_a_busy_server_take_little_longer_than_its_places_need(monkeypatch, changes):
    """The places change: beside another user there are three of eight for a while; a larger server takes over."""
    loop = JumpingLoop()
    clock = SimpleNamespace(monotonic=loop.time, time=loop.time)
    monkeypatch.setattr("iterpref_core.models.inference.pacing.time", clock)
    server = BusyServer(changes[0][1])
    per_s = 1 / 0.05
    ends = [seconds for seconds, _ in changes[1:]]
    early = sum(places * per_s * (end - begin) for (begin, places), end in zip(changes, ends, strict=False))
    needed_s = changes[-1][0] + (10_000 - early) / (changes[-1][1] * per_s)

    async def change():
        for (begin, _), (end, places) in itertools.pairwise(changes):
            await asyncio.sleep(end - begin)
            server.places = places

    async def run():
        pacing = Pacing("server", None, 64)
        began = loop.time()
        requests = iter(range(10_000))
        await asyncio.gather(change(), *[ask(pacing, server, requests) for _ in range(64)])
        return loop.time() - began

    try:
        taken_s = loop.run_until_complete(run())
    finally:
        loop.close()
    assert taken_s <= 1.3 * needed_s
    assert server.refused <= 0.03 * 10_000
