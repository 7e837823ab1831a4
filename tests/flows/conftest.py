"""The command line, run in this process, and a Prefect server for flows."""

import pytest

from flows.cli import main
from tests.command_line import calling


@pytest.fixture
def iterpref(monkeypatch, capsys, tmp_path):
    """Run the command line in this process and an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 200)
    return calling(main, monkeypatch, capsys)


@pytest.fixture(scope="module")
def prefect_server():
    """Show flows on a server without the services that schedules and automations need.

    It is a module's: a server that has nothing to do computes all the same.
    """
    from prefect.testing.utilities import prefect_test_harness

    with pytest.MonkeyPatch.context() as patch:
        for name in ("SCHEDULER", "LATE_RUNS", "PAUSE_EXPIRATIONS", "FOREMAN", "TRIGGERS"):
            patch.setenv(f"PREFECT_SERVER_SERVICES_{name}_ENABLED", "false")
        with prefect_test_harness(server_startup_timeout=300):
            yield


def on_prefect(test):
    """Show the flows of a test on a server of Prefect, which takes long to start."""
    return pytest.mark.slow(pytest.mark.usefixtures("prefect_server")(test))


def run_names():
    """Return the names of all flow runs that the server knows."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return {str(found.name) for found in client.read_flow_runs()}
