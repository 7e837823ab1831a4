"""Time that passes only where somebody waits for a server's pause to be over."""

from types import SimpleNamespace

import pytest

from iterpref_core.inference import openai_model


class Clock:
    """Stands for `time` and for sleep where pauses are kept; `slept` are the pauses, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(openai_model, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(openai_model, "_sleep", clock.sleep)
    return clock
