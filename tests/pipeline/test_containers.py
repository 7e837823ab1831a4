"""The services of docker/compose.yaml, by their own scripts and health checks, without a container engine.

PostgreSQL is real and the S3 store moto's. Prefect, MLflow and a worker run on them, and a deployment run is recorded.
Starting all of it takes about a minute on two quiet cores: most of that is both servers making their tables.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import yaml
from mlflow.tracking import MlflowClient

from tasks.orchestration.services import LOOPBACK, answers, reserved_port
from tests.settings import ROOT

if TYPE_CHECKING:
    from tests.pipeline.conftest import Workspace

pytestmark = [pytest.mark.timeout(1800), pytest.mark.faults]

SCRIPTS = ROOT / "docker" / "run"
PORTS = {"postgres": 5432, "s3": 9000, "prefect": 4200, "mlflow": 5000, "worker": 8080, "vllm": 8000}
"""That of each service in its container."""
SECRETS = ("postgres_password", "s3_access_key", "s3_secret_key", "vllm_api_key")
PATIENCE_S = 600


def planted(name: str) -> str:
    """A password or key that stands nowhere else."""
    return f"planted{name.replace('_', '')}0123456789"


def with_postgres() -> str:
    """PATH with PostgreSQL's programs in it, wherever Debian keeps them."""
    return os.pathsep.join([os.environ["PATH"], *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))])


class Stack:
    """The services that are started, on free ports of loopback, their logs, and how they are reached."""

    def __init__(self, folder: Path, undo: ExitStack) -> None:
        self.folder = folder
        self.ports = {name: undo.enter_context(reserved_port()) for name in PORTS}
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        for name in SECRETS:
            (self.secrets / name).write_text(planted(name), encoding="utf-8")
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "MLFLOW", "ITERPREF", "AWS"))}
        self.environment = keep | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{with_postgres()}",
            "PGPORT": str(self.ports["postgres"]),
            "SECRETS": str(self.secrets),
            "POSTGRES": f"{LOOPBACK}:{self.ports['postgres']}",
            "S3": self.url("s3"),
            "S3_SERVER": "moto",
            "PREFECT_API_URL": f"{self.url('prefect')}/api",
            "PREFECT_HOME": str(folder / "prefect"),
            "MLFLOW_TRACKING_URI": self.url("mlflow"),
            "NO_COLOR": "1",
        }
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    def url(self, service: str) -> str:
        return f"http://{LOOPBACK}:{self.ports[service]}"

    def start(self, service: str, where: Path = ROOT, **settings: Any) -> None:
        """Run a service's script, which must be the one that compose runs."""
        environment = self.environment | {"PORT": str(self.ports[service])} | settings.pop("environment", {})
        script = settings.pop("scripts", SCRIPTS) / f"{service}.sh"
        with (self.folder / f"{service}.log").open("wb") as log:
            self.children[service] = subprocess.Popen(
                ["sh", str(script)],
                cwd=where,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **settings,
            )

    def wait_healthy(self, service: str, healthy: Callable[[], bool] | None = None) -> None:
        """Wait until the health check in the compose file succeeds."""
        check = healthy or (lambda: self._check(service))
        deadline = time.monotonic() + PATIENCE_S
        while not check():
            assert self.children[service].poll() is None, self.log(service)
            assert time.monotonic() < deadline, self.log(service)
            time.sleep(0.3)

    def _check(self, service: str) -> bool:
        declared = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))["services"][service]
        kind, *command = declared["healthcheck"]["test"]
        assert kind == "CMD"
        ours = [part.replace(f":{PORTS[service]}/", f":{self.ports[service]}/") for part in command]
        done = subprocess.run(ours, cwd=ROOT, env=self.environment, capture_output=True, check=False)
        return done.returncode == 0

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End all; PostgreSQL by SIGINT, as in its container, so that it waits for no client."""
        for service, child in self.children.items():
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGINT if service == "postgres" else signal.SIGTERM)
        for child in self.children.values():
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def start_postgres(stack: Stack, undo: ExitStack) -> None:
    """It refuses to run as root; its own user may not look into this checkout, and so gets copies."""
    path = stack.environment["PATH"]
    if not all(shutil.which(program, path=path) for program in ("initdb", "postgres", "pg_isready")):
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="iterpref-postgres-"))
    undo.callback(shutil.rmtree, folder, ignore_errors=True)
    shutil.copy(SCRIPTS / "postgres.sh", folder)
    shutil.copy(stack.secrets / "postgres_password", folder)
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        who = {"user": "postgres", "group": "postgres", "extra_groups": []}
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "postgres", "postgres")
    own = {"PGDATA": str(folder / "data"), "SECRETS": str(folder)}
    stack.start("postgres", where=folder, scripts=folder, environment=own, **who)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, fresh: "Workspace") -> Iterator[Stack]:
    """Every service but vLLM, healthy, in the order of the compose file; the worker in a copy of the workspace."""
    with ExitStack() as undo:
        stack = Stack(tmp_path_factory.mktemp("stack"), undo)
        undo.callback(stack.stop)
        start_postgres(stack, undo)
        stack.start("s3")
        stack.wait_healthy("postgres")
        stack.wait_healthy("s3", lambda: answers(f"{stack.url('s3')}/moto-api/"))
        stack.start("prefect")
        stack.start("mlflow")
        stack.wait_healthy("prefect")
        stack.wait_healthy("mlflow")
        workspace = stack.folder / "workspace"
        shutil.copytree(fresh.path, workspace, symlinks=True)
        own = {
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_WORKER_WEBSERVER_HOST": LOOPBACK,
            "PREFECT_WORKER_WEBSERVER_PORT": str(stack.ports["worker"]),
            "PYTHONPATH": os.pathsep.join([str(workspace), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]),
        }
        stack.environment |= own
        stack.start("worker", where=workspace)
        stack.wait_healthy("worker")
        yield stack


def run(stack: Stack, *command: str) -> str:
    done = subprocess.run(
        command, cwd=stack.folder / "workspace", env=stack.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr + stack.log("worker")
    return done.stdout


def store(stack: Stack) -> Any:
    keys = {"aws_access_key_id": planted("s3_access_key"), "aws_secret_access_key": planted("s3_secret_key")}
    return boto3.client("s3", endpoint_url=stack.url("s3"), region_name="us-east-1", **keys)


def keys_in(stack: Stack, bucket: str) -> list[str]:
    return [item["Key"] for item in store(stack).list_objects_v2(Bucket=bucket).get("Contents", ())]


def test_a_deployment_run_is_recorded_in_postgres_and_in_the_s3_store(stack: Stack) -> None:
    prefect = (sys.executable, "-m", "prefect")
    run(stack, *prefect, "deployment", "run", "experiment/workspace", "--param", 'stages=["problems"]', "--watch")

    client = MlflowClient(stack.url("mlflow"))
    experiment = client.get_experiment_by_name("iterpref")
    runs = {found.info.run_name.split("-")[0]: found for found in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"experiment", "problems"}
    assert {found.info.status for found in runs.values()} == {"FINISHED"}
    assert experiment.artifact_location.startswith("mlflow-artifacts:")
    assert any(key.endswith("/dvc.lock") for key in keys_in(stack, "mlflow")), "artifacts go through the server to S3"

    query = "select count(*) from {} where {}"
    recorded = {
        "prefect": query.format("flow_run", "state_type = 'COMPLETED'"),
        "mlflow": query.format("runs", "status = 'FINISHED'"),
    }
    for database, sql in recorded.items():
        command = ["psql", "--host", LOOPBACK, "--username", "iterpref", "--tuples-only", "--command", sql, database]
        found = subprocess.run(
            command,
            env=stack.environment | {"PGPASSWORD": planted("postgres_password")},
            capture_output=True,
            check=True,
        )
        assert int(found.stdout) == 2, "the experiment and its one stage"

    keys = {"AWS_ACCESS_KEY_ID": planted("s3_access_key"), "AWS_SECRET_ACCESS_KEY": planted("s3_secret_key")}
    stack.environment |= keys
    run(stack, sys.executable, "-m", "dvc", "push")
    assert any(key.startswith("files/md5/") for key in keys_in(stack, "dvc"))


def test_no_secret_is_in_a_log_a_file_of_the_workspace_or_a_record(stack: Stack) -> None:
    secrets = [planted(name).encode() for name in SECRETS]
    looked = 0
    for path in stack.folder.rglob("*"):
        if path.is_file() and stack.secrets not in path.parents and ".git" not in path.parts:
            content = path.read_bytes()
            looked += 1
            assert not [secret for secret in secrets if secret in content], path
    assert looked > 100
    records = subprocess.run(
        ["pg_dumpall", "--host", LOOPBACK, "--username", "iterpref", "--no-role-passwords"],
        env=stack.environment | {"PGPASSWORD": planted("postgres_password")}, capture_output=True, check=True,
    )  # fmt: skip
    assert b"iterpref" in records.stdout
    assert not [secret for secret in secrets if secret in records.stdout]


def test_a_vllm_server_gets_its_model_and_keeps_its_key_off_the_command_line(tmp_path: Path) -> None:
    stand_in = tmp_path / "python"
    script = ROOT / "tests" / "inference" / "stand_in_vllm.py"
    stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    stand_in.chmod(0o755)
    asked = {"VLLM_MODEL": "some/model", "VLLM_REVISION": "abc", "VLLM_ARGUMENTS": "--max-num-seqs 8"}
    notes = tmp_path / "notes.json"
    own = asked | {"ITERPREF_VLLM_PYTHON": str(stand_in), "STAND_IN_NOTES": str(notes)}
    with ExitStack() as undo:
        stack = Stack(tmp_path, undo)
        undo.callback(stack.stop)
        stack.start("vllm", environment=own)
        stack.wait_healthy("vllm", lambda: answers(f"{stack.url('vllm')}/health"))
    told = json.loads(notes.read_text())
    line = " ".join(told["arguments"])
    assert "--model some/model --served-model-name some/model --revision abc --host 127.0.0.1" in line
    assert "--enforce-eager --max-num-seqs 8" in line
    assert planted("vllm_api_key") not in line
    assert told["environment"]["VLLM_API_KEY"] == planted("vllm_api_key")


def test_nothing_listens_beyond_loopback_unless_it_is_told_to() -> None:
    for script in SCRIPTS.glob("*.sh"):
        text = script.read_text(encoding="utf-8")
        assert "0.0.0.0" not in text
        assert "LISTEN" not in text or "LISTEN:-127.0.0.1" in text, script.name
