"""Health checks of this machine."""

import os

import pytest

from iterpref_core.cli.libraries import set_up_libraries
from tasks.local_server import answers
from tests.http_server import serving


def test_loopback_is_never_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "example.org")
    for _ in range(2):
        set_up_libraries()
        assert os.environ["NO_PROXY"] == "example.org,127.0.0.1,localhost", "each name once"
    with serving(lambda *_: 200) as url:
        assert answers(url)
