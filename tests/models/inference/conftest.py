"""Calls that fail are tried four times."""

from contextlib import ExitStack

import pytest

from tests.mock_endpoint import serve
from tests.models.inference.endpoints import opened


@pytest.fixture(autouse=True)
def _four_attempts(monkeypatch):
    monkeypatch.setattr("iterpref_core.models.inference.openai_model.ATTEMPTS", 4)


@pytest.fixture
def ask():
    """Serves a mock, and opens a backend for it."""
    with ExitStack() as servers:

        def ask(mock, **settings):
            return opened(servers.enter_context(serve(mock)), **settings)

        yield ask
