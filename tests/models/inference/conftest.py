"""Calls that fail are tried four times."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from iterpref_core.models.inference.openai_model import OpenAIModel
from tests.mock_endpoint import MockEndpoint, serve
from tests.models.inference.endpoints import Ask, opened


@pytest.fixture(autouse=True)
def _four_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iterpref_core.models.inference.openai_model.ATTEMPTS", 4)


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Serves a mock, and opens a backend for it."""
    with ExitStack() as servers:

        def ask(mock: MockEndpoint, **settings: Any) -> OpenAIModel:
            return opened(servers.enter_context(serve(mock)), **settings)

        yield ask
