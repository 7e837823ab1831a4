"""Which Prefect server a run is shown on, and what it is told."""

import base64
import logging
import os
import runpy
import stat
from contextlib import contextmanager
from pathlib import Path

import pytest

from iterpref_core.records import ConfigError, InputError
from tasks.local_server import ServerError, free_port
from tasks.prefect.server import PASSWORD, announced, prefect_server, running_prefect
from tests.http_server import serving
from tests.settings import ROOT


def key_of(password):
    return "Basic " + base64.b64encode(password.encode()).decode()


@pytest.fixture
def locked():
    """A Prefect server without flows that wants a key for everything but its health."""
    with serving_with(key_of("user:secret")) as url:
        yield url


@contextmanager
def serving_with(key):
    def answer(request, _body):
        if "csrf" in request.path:
            return 404
        return 200 if request.path.endswith("/health") or request.headers["Authorization"] == key else 401

    with serving(answer, b"[]") as url:
        yield f"{url}/api"


@pytest.fixture
def started(monkeypatch):
    """The settings of the servers that `ui` would start; the user's own server has another password."""
    started = []

    @contextmanager
    def served(_name, _command, _port, settings, *_):
        started.append(settings)
        yield ""

    monkeypatch.setattr("tasks.prefect.server.served", served)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "of:another")
    return started


@pytest.fixture(scope="module", autouse=True)
def _settings_of_other_files():
    """Give the tests of other files the settings that they have without these."""
    yield
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()


@pytest.fixture(autouse=True)
def _settings(tmp_path):
    """Prefect's settings as a new process would have them."""
    from prefect.context import SettingsContext, refresh_global_settings_context

    # The server that other tests share stays, and is the present one wherever this says nothing else.
    token = SettingsContext.__var__.set(None)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PREFECT")]:
            patch.delenv(name)
        patch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
        patch.chdir(tmp_path)
        refresh_global_settings_context()
        yield
    SettingsContext.__var__.reset(token)


def test_the_server_that_the_environment_names_is_used_with_its_key_and_never_replaced(locked, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", locked)
    with pytest.raises(InputError, match=r"answers 401: set PREFECT_API_KEY or PREFECT_API_AUTH_STRING"):
        running_prefect()
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "user:secret")
    assert running_prefect() == locked
    for url, told in (
        ("http://127.0.0.1:9/api", r"127.0.0.1:9/api, which .* names, does not answer"),
        (locked.removesuffix("/api").replace("//", "//me:s3cret@"), "interface for programs ends in /api"),
    ):
        monkeypatch.setenv("PREFECT_API_URL", url)
        with pytest.raises(InputError, match=told) as refused:
            running_prefect()
        assert "s3cret" not in str(refused.value)


def test_what_ui_announces_is_found_while_it_runs(locked, monkeypatch):
    Path(".iterpref").mkdir()
    assert running_prefect() is None
    with announced("http://127.0.0.1:9/api"):
        assert running_prefect() is None, "it was killed: nobody answers there"
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "user:secret")
    with announced(locked):
        assert running_prefect() == locked
        monkeypatch.setattr(os, "getuid", lambda: 65534)
        monkeypatch.setattr("tasks.prefect.server.problem_of", lambda _: pytest.fail("a stranger was asked"))
        assert running_prefect() is None, "it was killed: another user listens there"
    assert running_prefect() is None


def test_what_another_program_answers_is_no_server(monkeypatch):
    """A killed `iterpref ui` leaves the address of its port, which other programs take, too."""
    Path(".iterpref").mkdir()
    with serving(lambda *_: 200, b"<html>") as url:
        Path(".iterpref/prefect.url").write_text(f"{url}/api")
        assert running_prefect() is None
        for address in (f"{url}/api", "http://127.0.0.1:abc/api", "http://[::1/api"):
            monkeypatch.setenv("PREFECT_API_URL", address)
            with pytest.raises(InputError, match=r"does not answer as one \(.+\): start it, or correct the address"):
                running_prefect()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("prefect/profiles.toml", 'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "{}"\n'),
        (".env", "PREFECT_API_URL={}\n"),
        ("prefect.toml", '[api]\nurl = "{}"\n'),
    ],
)
def test_a_server_is_named_in_all_ways_of_prefect(locked, file, text, monkeypatch):
    from prefect.context import refresh_global_settings_context

    Path("prefect").mkdir(exist_ok=True)
    Path(file).write_text(text.format(locked))
    refresh_global_settings_context()
    with pytest.raises(InputError, match="answers 401"):
        running_prefect()
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "user:secret")
    refresh_global_settings_context()
    assert running_prefect() == locked


def test_broken_settings_of_prefect_are_one_message(monkeypatch):
    from prefect.context import SettingsContext

    # So that Prefect reads its files, as in a new process.
    monkeypatch.setattr("prefect.context.GLOBAL_SETTINGS_CONTEXT", None)
    SettingsContext.__var__.set(None)
    Path(".env").write_text("PREFECT_API_URL=http://127.0.0.1:9/api\n")
    Path("prefect.toml").write_text("[api\n")
    with pytest.raises(InputError, match=r"Prefect's settings cannot be read: .*; correct them in .*prefect\.toml"):
        running_prefect()


@pytest.mark.parametrize(
    "error", ["CommandError: Can't locate revision identified by 'ff'", "DatabaseError: file is not a database"]
)
def test_a_database_that_is_broken_or_of_a_newer_prefect_is_named_with_what_to_do(error, monkeypatch):
    @contextmanager
    def served(*_):
        raise ServerError(f"prefect ended while starting: {error}")
        yield

    monkeypatch.setattr("tasks.prefect.server.served", served)
    with pytest.raises(ServerError, match=r"prefect\.db is broken, or a newer Prefect .* move the file away"):
        prefect_server().__enter__()


def test_a_mistake_is_logged_without_a_traceback_and_a_defect_with_one(caplog):
    from flows.prefect_session import leave_out_tracebacks

    leave_out_tracebacks()
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logger = logging.getLogger(name)
        for error in (ConfigError("training.beta: too large"), ZeroDivisionError("defect")):
            try:
                raise error
            except Exception:
                # A test before may have connected Prefect's loggers to a server, which refuses this record.
                logger.exception("failed", extra={"send_to_api": False})
    assert caplog.text.count("Traceback") == caplog.text.count("ZeroDivisionError: defect") == 2


def test_settings_of_the_user_s_own_flows_are_not_taken_for_ours():
    from prefect import flow
    from prefect.settings import PREFECT_FLOWS_DEFAULT_RETRIES, temporary_settings

    with temporary_settings({PREFECT_FLOWS_DEFAULT_RETRIES: 2}):
        assert flow(print).retries == 2
        for name in ("experiment", "sweep"):
            assert runpy.run_path(str(ROOT / "flows/prefect_flows.py"))[name].retries == 0


def test_ui_has_a_database_and_a_password_of_its_own_which_other_commands_read_by_themselves(
    started, tmp_path, monkeypatch
):
    for number in range(2):
        with prefect_server():
            password = os.environ["PREFECT_API_AUTH_STRING"]
        assert started[number]["PREFECT_SERVER_API_AUTH_STRING"] == password == PASSWORD.read_text(), (
            "a browser keeps it"
        )
        for name in ("PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL"):
            assert started[number][name].endswith(f"{tmp_path}/.iterpref/prefect/prefect.db")
    assert len(password) > 20
    assert stat.S_IMODE(PASSWORD.stat().st_mode) == 0o600
    with serving_with(key_of(password)) as url:
        with announced(url):
            for named in (None, url):
                monkeypatch.delenv("PREFECT_API_AUTH_STRING")
                if named:
                    monkeypatch.setenv("PREFECT_API_URL", named)
                assert running_prefect() == url
        monkeypatch.delenv("PREFECT_API_AUTH_STRING")
        with pytest.raises(InputError, match="answers 401"):
            running_prefect()  # another server does not get it


def test_the_end_of_the_server_is_said_whatever_error_prefect_meets_it_with(locked, monkeypatch):
    from flows.prefect_session import prefect_session

    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "user:secret")
    with pytest.raises(RuntimeError, match="no event loop"), prefect_session(locked):
        raise RuntimeError("no event loop")
    nobody = f"http://127.0.0.1:{free_port()}/api"
    with pytest.raises(ServerError, match="finished stages are kept"), prefect_session(nobody):
        raise RuntimeError("no event loop")
    with pytest.raises(InputError, match="its mistake"), prefect_session(nobody):
        raise InputError("its mistake")


def test_pages_whose_server_has_ended_end_with_one_message(tmp_path, monkeypatch):
    """They ended with the traceback of a group of tasks."""
    from flows import serve

    async def fail():
        raise ExceptionGroup("unhandled errors in a TaskGroup", [RuntimeError("Service exceeded error threshold.")])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    for name, does in (
        ("named_prefect", lambda: "named"),
        ("running_prefect", lambda: "http://127.0.0.1:9/api"),
        ("create_automations", lambda: None),
        ("_serve", fail),
    ):
        monkeypatch.setattr(serve, name, does)
    with pytest.raises(ServerError, match=r"the Prefect server at http://127.0.0.1:9/api does not answer"):
        serve.serve_pages()
