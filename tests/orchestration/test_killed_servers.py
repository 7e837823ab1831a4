"""`kill -9` of the Prefect server, and of MLflow's, in mid-run: what becomes of the run, and of the next one."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from mlflow.tracking import MlflowClient

from tasks.orchestration.services import LOOPBACK, answers, reserved_port
from tests.once import give_prefect_tables, mlflow_tables
from tests.orchestration.conftest import PATIENCE_S, Server, Wait, interfaces, prefect_server
from tests.orchestration.test_experiment import told
from tests.recording.test_outbox import serving

if TYPE_CHECKING:
    from tests.orchestration.conftest import Small

pytestmark = [pytest.mark.timeout(1800), pytest.mark.faults]

STAGE = "training@dpo"


@pytest.fixture
def copy(copy: "Small") -> "Small":
    """A workspace in which everything has run, and one stage waits when it is forced."""
    (copy.path / "wait").write_text(STAGE, encoding="utf-8")
    # Prefect's own: a runner that asked more often in vain while its server starts again would not see cancellations.
    copy.environment["PREFECT_RUNNER_POLL_FREQUENCY"] = "10"
    return copy


def at_work(small: "Small") -> bool:
    return any("sleep 600" in line for line in small.stage_processes())


def release(small: "Small") -> None:
    """Let the waiting stage go on."""
    (small.path / "wait").unlink()


def servers(small: "Small", program: str) -> list[psutil.Process]:
    """Processes of the workspace that run this program's server."""
    words = f"-m {program} server"
    return [process for process in small.processes() if words in " ".join(process.cmdline())]


def log(small: "Small") -> str:
    return (small.path / "started.log").read_text(encoding="utf-8")


def lock(small: "Small") -> bytes:
    return (small.path / "dvc.lock").read_bytes()


def test_a_run_whose_own_prefect_server_is_killed_goes_on(copy: "Small", wait_until: Wait) -> None:
    before = lock(copy)
    run = copy.start("run", STAGE, "--force")
    wait_until(lambda: run.poll() is not None or at_work(copy))
    (server,) = servers(copy, "prefect")
    server.kill()
    release(copy)
    assert run.wait(PATIENCE_S) == 0, log(copy)
    assert "prefect ended by itself (-9); it is started again" in log(copy)
    assert "Traceback" not in log(copy)
    assert lock(copy) == before
    wait_until(lambda: not list(copy.processes()))


def test_a_run_at_a_prefect_server_that_is_gone_for_good_keeps_what_was_finished(
    copy: "Small", tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, wait_until: Wait
) -> None:
    before = lock(copy)
    copy.environment["PREFECT_CLIENT_MAX_RETRIES"] = "1"  # not a minute's worth of them
    give_prefect_tables(tmp_path_factory, tmp_path / "prefect")
    with prefect_server(tmp_path / "prefect", wait_until) as (url, server):
        copy.environment["PREFECT_API_URL"] = url
        run = copy.start("run", STAGE, "--force")
        wait_until(lambda: run.poll() is not None or at_work(copy))
        server.kill()
        release(copy)
        assert run.wait(PATIENCE_S) == 1, log(copy)
    assert f"error: the Prefect server at {url} does not answer" in log(copy)
    assert told(log(copy), "done in") == {STAGE}
    assert "Traceback" not in log(copy)
    assert lock(copy) == before
    wait_until(lambda: not list(copy.processes()))
    again = copy.iterpref("run", STAGE)
    assert again.returncode == 0, again.stdout
    assert not told(again.stdout, "done in"), "the stage was finished"


def completed(server: Server, run: str) -> bool:
    """Whether a run has ended well; a server that is being started again cannot say."""
    try:
        state = server.state(run)
    except OSError:
        return False
    assert state not in ("Failed", "Crashed", "Cancelled"), f"the run ended as {state}"
    return state == "Completed"


def test_servers_of_the_interfaces_that_are_killed_come_back(copy: "Small", wait_until: Wait) -> None:
    before = lock(copy)
    with interfaces(copy, wait_until) as (ui, server):
        run = server.trigger(stages=[STAGE], force=True)
        wait_until(lambda: at_work(copy))
        for program in ("prefect", "mlflow"):
            for process in servers(copy, program):
                process.kill()
        release(copy)
        wait_until(lambda: ui.poll() is not None or completed(server, run))
        assert ui.poll() is None, log(copy)
        wait_until(lambda: answers(f"{server.addresses['mlflow']}/health"))
        assert lock(copy) == before

        (copy.path / "wait").write_text(STAGE, encoding="utf-8")
        second = server.trigger(stages=[STAGE], force=True)
        wait_until(lambda: at_work(copy))
        server.cancel(second)
        wait_until(lambda: not copy.stage_processes())
        wait_until(lambda: server.state(second) == "Cancelled")
    wait_until(lambda: not list(copy.processes()))


def test_a_served_run_outlives_interfaces_that_are_killed_and_new_ones_take_over(
    copy: "Small", wait_until: Wait
) -> None:
    before = lock(copy)
    with interfaces(copy, wait_until) as (ui, server):
        first = server.trigger(stages=[STAGE], force=True)
        wait_until(lambda: at_work(copy))
        ui.kill()
        ui.wait()
        with interfaces(copy, wait_until) as (_, another):
            assert another.addresses == server.addresses
            release(copy)
            wait_until(lambda: completed(another, first))
            second = another.trigger(stages=[STAGE])
            wait_until(lambda: completed(another, second))
    assert lock(copy) == before
    wait_until(lambda: not list(copy.processes()))


TIMES = ("run/total_s", "run/orchestration_share")
"""Metrics that are not the same in two runs."""


def recorded(uri: str, artifacts: Path) -> dict[str, dict[str, Any]]:
    """All that MLflow has of the first experiment and its stages, but ids and times."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("iterpref")
    runs = sorted(client.search_runs([experiment.experiment_id]), key=lambda run: int(run.info.start_time))
    first = next(run for run in runs if run.info.run_name.startswith("experiment-"))
    found = {}
    for run in runs:
        if first.info.run_id in (run.info.run_id, run.data.tags.get("mlflow.parentRunId")):
            names = sorted(run.data.metrics)
            folder = Path(client.download_artifacts(run.info.run_id, "", str(artifacts)))
            history = {name: client.get_metric_history(run.info.run_id, name) for name in names if name not in TIMES}
            assert run.info.run_name not in found, "recorded twice"
            found[run.info.run_name] = {
                "status": run.info.status,
                "params": run.data.params,
                "names": names,
                "metrics": {name: [(point.step, point.value) for point in points] for name, points in history.items()},
                "data sets": sorted((item.dataset.name, item.dataset.digest) for item in run.inputs.dataset_inputs),
                "artifacts": {file.name: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()},
            }
            shutil.rmtree(folder)
    return found


def test_a_tracking_server_that_is_killed_gets_everything_once_later(
    copy: "Small", tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, wait_until: Wait
) -> None:
    before = lock(copy)
    (tmp_path / "got").mkdir()
    for name in ("disturbed", "undisturbed"):
        (tmp_path / name).mkdir()
        shutil.copy2(mlflow_tables(tmp_path_factory), tmp_path / name / "server.db")

    with reserved_port() as port:
        copy.environment["MLFLOW_TRACKING_URI"] = uri = f"http://{LOOPBACK}:{port}"
        with serving(tmp_path / "disturbed", port):
            run = copy.start("run", STAGE, "--force")
            wait_until(lambda: run.poll() is not None or at_work(copy))
        release(copy)
        assert run.wait(PATIENCE_S) == 0, log(copy)
        assert "records wait for the next run" in log(copy)
        with serving(tmp_path / "disturbed", port):
            with interfaces(copy, wait_until):
                assert not list((copy.path / ".iterpref" / "outbox").iterdir())
            disturbed = recorded(uri, tmp_path / "got")

        with serving(tmp_path / "undisturbed", port):
            assert copy.iterpref("run", STAGE, "--force").returncode == 0
            undisturbed = recorded(uri, tmp_path / "got")
    assert undisturbed[STAGE]["metrics"]["loss"] == [(0, 1.0), (1, 0.5)]
    assert disturbed == undisturbed
    assert lock(copy) == before
