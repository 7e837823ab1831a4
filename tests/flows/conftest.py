"""The command line, run in this process, and a Prefect server for flows."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli import main
from tests.command_line import Iterpref, calling
from tests.once import prefect_tables


@pytest.fixture
def iterpref(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterpref:
    """Run the command line in this process and an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 200)
    return calling(main, monkeypatch, capsys)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Show flows on a server that has its tables, without the services that schedules and automations need."""
    from prefect.testing.utilities import prefect_test_harness

    folder = tmp_path_factory.mktemp("prefect")
    shutil.copy2(prefect_tables(tmp_path_factory), folder / "prefect-test.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prefect.testing.utilities.mkdtemp", lambda: str(folder))
        for name in ("SCHEDULER", "LATE_RUNS", "PAUSE_EXPIRATIONS", "FOREMAN", "TRIGGERS"):
            patch.setenv(f"PREFECT_SERVER_SERVICES_{name}_ENABLED", "false")
        with prefect_test_harness(server_startup_timeout=300):
            yield


def run_names() -> set[str]:
    """Return the names of all flow runs that the server knows."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return {str(found.name) for found in client.read_flow_runs()}
