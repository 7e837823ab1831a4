"""The command line, run in this process, and a Prefect server for flows."""

from contextlib import ExitStack

import pytest

from flows.cli import main
from tasks.dvc.commands import Commands, Times
from tasks.prefect.server import PASSWORD, prefect_server
from tests.command_line import calling, hide_benchmarks
from tests.dvc_repository import reproduce
from tests.once import give_prefect_tables


@pytest.fixture
def iterpref(monkeypatch, capsys, tmp_path):
    """Run the command line in this process and an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    hide_benchmarks(monkeypatch)
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 200)
    return calling(main, monkeypatch, capsys)


@pytest.fixture(scope="module")
def shown_on_prefect(tmp_path_factory):
    """Show flows on a server without the services that schedules and automations need.

    It is a module's: a server that has nothing to do computes all the same.
    """
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    from flows.prefect_session import _drain_prefect

    folder = tmp_path_factory.mktemp("prefect")
    give_prefect_tables(tmp_path_factory, folder)
    with ExitStack() as stack:
        # Not in the environment of the tests: a run without a server is to find none.
        with pytest.MonkeyPatch.context() as patch:
            for name in ("SCHEDULER", "LATE_RUNS", "PAUSE_EXPIRATIONS", "FOREMAN", "TRIGGERS"):
                patch.setenv(f"PREFECT_SERVER_SERVICES_{name}_ENABLED", "false")
            patch.setenv("PREFECT_CLIENT_MAX_RETRIES", "3")
            patch.setenv("PREFECT_API_AUTH_STRING", "of:another")
            patch.chdir(folder)
            url = stack.enter_context(prefect_server())
        password = (folder / PASSWORD).read_text(encoding="ascii")
        stack.enter_context(temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: password}))
        yield
        _drain_prefect()


@pytest.fixture
def dvc_in_this_process(monkeypatch):
    """Reproduce the stages of a run without the start of DVC, which takes most of a second for each."""

    def run(_, name, *_others):
        reproduce(name)
        return {name: Times(0.0, 1.0)}

    monkeypatch.setattr(Commands, "run", run)


def on_prefect(test):
    """Show the flows of a test on a server of Prefect, which takes long to start."""
    return pytest.mark.slow(pytest.mark.usefixtures("shown_on_prefect")(test))


def run_names():
    """Return the names of all flow runs that the server knows."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return {str(found.name) for found in client.read_flow_runs()}
