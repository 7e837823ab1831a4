"""The command line, run in this process."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from flows.cli import main

Iterpref = Callable[..., tuple[int, str, str]]


@pytest.fixture
def iterpref(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterpref:
    """Run the command line in this process and an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 200)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["iterpref", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


def run_names() -> set[str]:
    """Return the names of all flow runs that the server knows."""
    with get_client(sync_client=True) as client:
        return {str(found.name) for found in client.read_flow_runs()}
