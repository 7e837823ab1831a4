"""Calls that fail are asked again without a pause, and four times in all."""

import pytest


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.0)
    monkeypatch.setattr("iterpref_core.models.inference.openai_model.ATTEMPTS", 4)
