"""Time that passes only where somebody waits for a server's pause to be over."""

from types import SimpleNamespace

import pytest

from iterpref_core.inference.openai import rate_limits, routing


class Clock:
    """Stands for `time` and `asyncio` where pauses are kept; `slept` are the pauses, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_limits, "time", clock)
    for module in (rate_limits, routing):
        monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=clock.sleep))
    return clock
