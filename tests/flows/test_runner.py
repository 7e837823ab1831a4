"""A stage's process at a Prefect server that goes away: what it computes, and what it says, does not depend on it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.runner import _publish
from tests.http_server import serving
from tests.once import give_prefect_tables
from tests.orchestration.conftest import PATIENCE_S, Wait, prefect_server, wait_until
from tests.settings import ROOT

__all__ = ["wait_until"]

pytestmark = pytest.mark.timeout(600)

STAGE = """
import os, signal, sys
from flows.runner import _execute
from iterpref_core.errors import InputError

def problems():
    victim, error = sys.argv[1:]
    print("at work")
    if victim:
        os.kill(int(victim), signal.SIGKILL)
    if error:
        raise InputError(error)
    return {}

print(_execute(problems, "problems", {}))
"""


def run(home: Path, url: str, victim: str, error: str) -> subprocess.CompletedProcess[str]:
    """The stage, at a server, of which it kills process `victim`, and raises an error, if these are given."""
    own = {"PREFECT_HOME": str(home), "PREFECT_API_URL": url, "PREFECT_CLIENT_MAX_RETRIES": "1"}
    own |= {"PREFECT_LOGGING_LEVEL": "CRITICAL"}
    return subprocess.run(
        [sys.executable, "-c", STAGE, victim, error],
        cwd=ROOT,
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.faults
@pytest.mark.parametrize("error", ["", "planted"])
def test_a_server_that_is_killed_costs_only_what_it_would_have_shown(
    error: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, wait_until: Wait
) -> None:
    give_prefect_tables(tmp_path_factory, tmp_path)
    with prefect_server(tmp_path, wait_until) as (url, server):
        done = run(tmp_path, url, str(server.pid), error)
        assert server.wait(PATIENCE_S) < 0
    expected = (2, error, True) if error else (0, "", True)
    assert done.stdout.splitlines() == ["at work", str(expected)], done.stderr
    assert "Traceback" not in done.stderr
    if not error:
        assert done.stderr.startswith("warning: problems is not shown in Prefect, whose server does not answer: ")


def test_outside_of_a_repository_a_stage_is_recorded_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _publish("problems", "FINISHED")
    assert capsys.readouterr().err.startswith("warning: problems is not recorded in MLflow: dvc.yaml: ")
    assert not list(tmp_path.iterdir())


def broken(path: str, _body: bytes) -> int:
    """Healthy, and nothing else."""
    return 200 if path == "/api/health" else 500


def test_a_server_that_takes_no_flow_run_does_not_keep_the_stage_from_running(tmp_path: Path) -> None:
    with serving(broken) as url:
        done = run(tmp_path, f"{url}/api", "", "")
    assert done.stdout.splitlines() == ["at work", "(0, '', True)"], done.stderr
    assert done.stderr.startswith("warning: problems is not shown in Prefect")
