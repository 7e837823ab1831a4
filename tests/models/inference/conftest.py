"""Calls that fail are tried four times; where `ask` serves them, pauses after a fault take milliseconds."""

from contextlib import ExitStack

import pytest

from tests.mock_endpoint import serve
from tests.models.inference.endpoints import opened


@pytest.fixture(autouse=True)
def _four_attempts(monkeypatch):
    monkeypatch.setattr("iterpref_core.models.inference.openai_model.ATTEMPTS", 4)


@pytest.fixture
def ask(monkeypatch):
    """Serves a mock, and opens a backend for it; `test_pacing.py` is about how long pauses are."""
    monkeypatch.setattr("iterpref_core.models.inference.pacing._FIRST_S", 0.001)
    with ExitStack() as servers:

        def ask(mock, **settings):
            return opened(servers.enter_context(serve(mock)), **settings)

        yield ask
