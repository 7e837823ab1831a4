"""`kill -9` of a worker in mid-run, and of a run with it; what Prefect does by itself about runs that end badly."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.http_server import serving
from tests.once import copy_workspace
from tests.orchestration.conftest import PATIENCE_S, Server, Small, Wait, prefect_server
from tests.orchestration.test_killed_servers import STAGE, at_work, lock, release
from tests.settings import ROOT

pytestmark = [pytest.mark.timeout(1800), pytest.mark.faults, pytest.mark.xdist_group("deployed")]

ENDS = ("Completed", "Failed", "Crashed")
AUTOMATIONS = ROOT / "docker"


class Deployed(Server):
    """A Prefect server with the experiment as `prefect.yaml` deploys it, for a worker in a workspace."""

    def __init__(self, small: Small, url: str) -> None:
        self.small = small
        self.addresses = {"prefect": url}
        small.environment |= {"PREFECT_API_URL": url, "PWD": str(small.path), "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
        (small.path / "flows").symlink_to(ROOT / "flows")
        shutil.copy2(ROOT / "prefect.yaml", small.path)
        self._prefect("work-pool", "create", "--type", "process", "iterpref")
        self._prefect("--no-prompt", "deploy", "--all")

    def _prefect(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "prefect", *arguments]
        done = subprocess.run(
            command, cwd=self.small.path, env=self.small.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def trigger(self, **parameters: Any) -> str:
        """Ask for a run of the deployment; returns its id."""
        deployment = self.ask("/deployments/name/experiment/workspace")["id"]
        run = self.ask(f"/deployments/{deployment}/create_flow_run", {"parameters": parameters})
        return str(run["id"])

    @contextmanager
    def worker(self) -> Iterator["subprocess.Popen[bytes]"]:
        """A worker, ended at the end if it still runs."""
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "iterpref"]
        with (self.small.path / "worker.log").open("ab") as log:
            child = subprocess.Popen(
                command, cwd=self.small.path, env=self.small.environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(PATIENCE_S)
            finally:
                child.kill()

    def log(self) -> str:
        """What the workers said."""
        return (self.small.path / "worker.log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def deployed(ran: Path, tmp_path_factory: pytest.TempPathFactory, wait_until: Wait) -> Iterator[Deployed]:
    """One for all tests of this file, which leave no run behind."""
    path = tmp_path_factory.mktemp("deployed") / "workspace"
    copy_workspace(ran, path)
    with prefect_server(path / ".iterpref" / "prefect", wait_until) as (url, _):
        deployed = Deployed(Small(path), url)
        yield deployed
    deployed.small.end_all()


def give_automations(small: Small, folder: Path, within: str = "600", **environment: str) -> None:
    """docker/run/automations.py, as it is, on the repository's automations; a lost run is noticed after `within` s."""
    shutil.copytree(AUTOMATIONS / "run", folder / "docker" / "run")
    text = (AUTOMATIONS / "automations.yaml").read_text(encoding="utf-8")
    assert text.count("within: 600") == 1
    (folder / "docker" / "automations.yaml").write_text(text.replace("within: 600", f"within: {within}"), "utf-8")
    done = subprocess.run(
        [sys.executable, folder / "docker" / "run" / "automations.py"],
        env=small.environment | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_worker_that_is_killed_takes_its_run_with_it_and_another_one_continues(
    deployed: Deployed, wait_until: Wait
) -> None:
    small, before = deployed.small, lock(deployed.small)
    (small.path / "wait").write_text(STAGE, encoding="utf-8")
    with deployed.worker() as worker:
        lost = deployed.trigger(stages=[STAGE], force=True)
        wait_until(lambda: at_work(small))
        worker.kill()
        worker.wait()
    release(small)
    wait_until(lambda: deployed.state(lost) in ENDS)
    assert deployed.state(lost) == "Crashed", "what it says next goes to a pipe that nobody reads"
    wait_until(lambda: not small.stage_processes())
    with deployed.worker():
        run = deployed.trigger(stages=[STAGE])
        wait_until(lambda: deployed.state(run) in ENDS)
    assert deployed.state(run) == "Completed", deployed.log()
    assert lock(small) == before


def test_what_a_run_left_that_was_killed_with_its_worker_is_ended_by_the_next_one(
    deployed: Deployed, tmp_path: Path, wait_until: Wait
) -> None:
    before = lock(deployed.small)
    (deployed.small.path / "wait").write_text(STAGE, encoding="utf-8")
    give_automations(deployed.small, tmp_path, within="60")
    with deployed.worker() as worker:
        lost = deployed.trigger(stages=[STAGE], force=True)
        wait_until(lambda: at_work(deployed.small))
        family = psutil.Process(worker.pid).children(recursive=True)
        (stage,) = [process for process in family if process.cmdline()[1:3] == ["stage.py", STAGE]]
        for process in [psutil.Process(worker.pid), *family]:
            if "prefect" in " ".join(process.cmdline()):
                process.kill()
        worker.wait()
    assert stage.is_running(), "nobody has ended it"
    assert deployed.state(lost) == "Running"
    with deployed.worker():
        run = deployed.trigger(stages=[STAGE])
        wait_until(lambda: not stage.is_running())
        release(deployed.small)
        wait_until(lambda: deployed.state(run) in ENDS)
        assert deployed.state(run) == "Completed", deployed.log()
    assert lock(deployed.small) == before
    wait_until(lambda: deployed.state(lost) != "Running")
    state = deployed.ask(f"/flow_runs/{lost}")["state"]
    assert state["type"] == "CRASHED"
    assert "Its process is gone" in state["message"]


def test_a_failure_is_told_to_a_webhook(deployed: Deployed, tmp_path: Path, wait_until: Wait) -> None:
    small = deployed.small
    (small.path / "fail").write_text(STAGE, encoding="utf-8")
    got: list[Any] = []

    def hear(_path: str, body: bytes) -> int:
        got.append(json.loads(body))
        return 200

    with serving(hear) as url, deployed.worker():
        give_automations(small, tmp_path, WEBHOOK_URL=f"{url}/hook")
        run = deployed.trigger(stages=[STAGE], force=True)
        wait_until(lambda: bool(got))
    assert deployed.state(run) == "Failed", deployed.log()
    name = deployed.ask(f"/flow_runs/{run}")["name"]
    (text,) = {item["text"] for item in got}  # not of the stage's own flow run; Prefect may tell it more than once
    assert text.startswith(f"experiment {name}: Failed: ")
    assert f"stage {STAGE}: told to fail" in text
