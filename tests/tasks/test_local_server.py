"""Settings of the environment that reach the programs that are started, and health checks of this machine."""

import os

from iterpref_core.cli.libraries import set_up_libraries
from tasks.local_server import answers
from tests.http_server import serving


def test_loopback_is_never_asked_through_a_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "example.org")
    for _ in range(2):
        set_up_libraries()
        assert os.environ["NO_PROXY"] == "example.org,127.0.0.1,localhost", "each name once"
    with serving(lambda *_: 200) as url:
        assert answers(url)


def test_of_git_s_variables_those_that_mean_a_repository_go(monkeypatch):
    kept = ("GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_SSL_CAINFO", "GIT_TERMINAL_PROMPT", "GIT_CONFIG_COUNT")
    gone = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_COMMON_DIR")
    for name in (*kept, *gone):
        monkeypatch.setenv(name, "0")
    set_up_libraries()
    assert [name for name in kept if name not in os.environ] == []
    assert [name for name in gone if name in os.environ] == []
