"""Health checks of this machine."""

from pathlib import Path

import pytest

from iterpref_core.cli.libraries import set_up_libraries
from tasks.servers import Pages, announced, announced_pages, answers, running_prefect
from tests.http_server import serving


def test_loopback_is_never_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "example.org")
    set_up_libraries()
    with serving(lambda *_: 200) as url:
        assert answers(url)


def test_what_ui_announces_is_found_while_it_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    Path(".iterpref").mkdir()
    assert running_prefect() is None
    with announced(pages := Pages(prefect="http://127.0.0.1:9/api", mlflow="http://127.0.0.1:9")):
        assert announced_pages() == pages
        assert running_prefect() is None, "it was killed: nobody answers there"
    assert announced_pages() is None
