"""Runs that end by a mistake, a kill or Ctrl-C: the next one goes on, and nothing finished runs again."""

import os
import signal
import subprocess
from contextlib import chdir

import psutil
import pytest

from tasks.prefect.server import announced, prefect_server
from tests.pipeline.conftest import ITERPREF, PATIENCE_S, descendant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_however_a_run_ends_the_next_one_goes_on(toy):
    """Of one experiment: each part ends a run, which the part before it left."""
    _a_second_run_is_refused_and_ctrl_c_loses_nothing(toy)
    _a_killed_server_ends_the_run_with_one_message(toy)
    _nothing_finished_runs_again(toy)


def _a_second_run_is_refused_and_ctrl_c_loses_nothing(toy):
    run = toy.start_run()
    refused = subprocess.run(
        [*ITERPREF, "run"], cwd=toy.path, env=toy.environment, capture_output=True, text=True, check=False
    )
    assert (refused.returncode, f"process {run.pid} already runs the experiment here" in refused.stderr) == (2, True)
    os.kill(run.pid, signal.SIGINT)
    assert run.wait(PATIENCE_S) == 130
    assert "what was finished is kept, and the same command continues" in toy.output()


def _a_killed_server_ends_the_run_with_one_message(toy):
    # Not 0: a server whose SQLite file is being written answers 503 at times, and the same request is answered next.
    toy.environment["PREFECT_CLIENT_MAX_RETRIES"] = "2"
    with chdir(toy.path), prefect_server() as url, announced(url):
        run = toy.start_run()
        descendant(psutil.Process(), "prefect server").kill()
        (toy.path / "block").unlink()
        assert run.wait(PATIENCE_S) == 1
    assert "finished stages are kept: run again" in toy.output()


def _nothing_finished_runs_again(toy):
    before = toy.ran()
    assert before.count("first") == 1, "it was finished in the first run"
    assert "2 stages are up to date" in toy.iterpref("run")
    assert toy.ran() == before
