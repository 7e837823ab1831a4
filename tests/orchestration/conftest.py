"""A small workspace whose stages only write files: the real flow and servers, without the work."""

import http
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import pytest
import yaml

from tasks.orchestration.services import LOOPBACK, answers, reserved_port
from tests.flows.conftest import iterpref
from tests.once import copy_workspace, give_mlflow_tables, give_prefect_tables, made_once
from tests.settings import ROOT

__all__ = ["iterpref"]

PATIENCE_S = 300
SERVED = ("experiment", "sweep")
KEY = "sk-planted-7f3a9c51"
"""A secret that nothing may write down."""

STAGE = '''
"""A stage: writes its outputs; waits with a child of its own, or fails, where the file `wait` or `fail` names it."""
import json, subprocess, sys, time
from pathlib import Path
from iterpref_core.config import load_params
from tasks.common.stage_body import run_body
from tasks.recording.stage_journal import open_journal

name, *outs = sys.argv[1:]
journal = open_journal(name)
training = load_params().training

def named(by):
    return Path(by).is_file() and Path(by).read_text() in (name, f"{name} beta {training.beta} seed {training.seed}")

journal.metrics({"loss": 1.0}, 0)
if named("wait"):
    journal.progress("waiting", 1, 4)
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    while named("wait"):
        time.sleep(0.1)
    child.kill()
journal.metrics({"loss": 0.5}, 1)
if named("fail"):
    journal.close(1, "told to fail")
    sys.exit(1)

def evaluate(out):
    """A model solves more of 40 problems with a larger beta, and one more with an even seed."""
    model = Path("models/trained", out.name)
    beta, even = (training.beta, training.seed % 2 == 0) if model.exists() else (0.0, False)
    solved = 10 + round(50 * beta) + even
    entry = {"available": True, "n": 40, "pass_at_1": solved / 40, "passed": [f"t/{n}" for n in range(solved)]}
    out.mkdir()
    found = {"benchmarks": dict.fromkeys(load_params().evaluation.benchmarks, entry)}
    (out / "results.json").write_text(json.dumps(found))

def write():
    for out in map(Path, outs):
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.parts[0] == "results":
            evaluate(out)
        else:
            text = name + Path("params.yaml").read_text().partition("seed")[2]
            out.write_text("step,loss\\n1,0.5\\n" if out.suffix == ".csv" else text)
    return {"outputs": float(len(outs)), "score": training.seed / 100}

run_body(name, write)
journal.close(0)
'''

GRAPH = {
    "vars": [{"python": "python stage.py"}],
    "stages": {
        "problems": {
            "cmd": "${python} problems data/problems.jsonl",
            "deps": ["stage.py"],
            "params": ["problems.seed"],
            "outs": ["data/problems.jsonl"],
            "metrics": ["metrics/problems.json"],
        },
        "training": {
            "matrix": {"objective": ["sft", "dpo"]},
            "cmd": "${python} training@${item.objective} models/trained/${item.objective}"
            " metrics/training/${item.objective}.curve.csv",
            "deps": ["data/problems.jsonl"],
            "params": ["training.beta", "training.seed"],
            "outs": ["models/trained/${item.objective}"],
            "metrics": ["metrics/training/${item.objective}.json"],
            "plots": ["metrics/training/${item.objective}.curve.csv"],
        },
        "evaluation": {
            "foreach": {"base": "data/problems.jsonl", "sft": "models/trained/sft", "dpo": "models/trained/dpo"},
            "do": {
                "cmd": "${python} evaluation@${key} results/${key}",
                "deps": ["${item}"],
                "params": ["evaluation.benchmarks"],
                "outs": ["results/${key}"],
                "metrics": ["metrics/evaluation/${key}.json"],
            },
        },
        "tables": {
            "cmd": "${python} tables data/tables",
            "deps": ["results/base", "results/dpo", "results/sft"],
            "outs": ["data/tables"],
            "metrics": ["metrics/tables.json"],
        },
    },
}


class Small:
    """The workspace and its commands, with variables of their own, if any."""

    def __init__(self, path: Path, own: Mapping[str, str] = MappingProxyType({})) -> None:
        self.path = path
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "MLFLOW", "ITERPREF", "DVC"))}
        self.environment = (
            keep
            | {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "NO_COLOR": "1",
                "COLUMNS": "200",
                "OPENAI_API_KEY": KEY,
                "PREFECT_HOME": str(path / ".iterpref" / "prefect"),
                # Prefect looks for work every ten seconds by itself.
                "PREFECT_RUNNER_POLL_FREQUENCY": "1",
                "PREFECT_WORKER_QUERY_SECONDS": "1",
            }
            | dict(own)
        )

    def iterpref(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb of the command line to its end, its output and errors together."""
        command = [sys.executable, "-m", "flows.cli", *arguments]
        return subprocess.run(
            command,
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a verb; its output goes to `started.log`."""
        with (self.path / "started.log").open("wb") as log:
            command = [sys.executable, "-m", "flows.cli", *arguments]
            return subprocess.Popen(command, cwd=self.path, env=self.environment, stdout=log, stderr=log)

    def processes(self) -> Iterator[psutil.Process]:
        """The processes that work in this workspace or a copy of it."""
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                inside = Path(f"/proc/{process.pid}/cwd").readlink().is_relative_to(self.path)
                if inside and process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    def end_all(self) -> None:
        """Kill what a test that failed has left."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def listening(self) -> set[str]:
        """Addresses on which they listen."""
        found: set[str] = set()
        for process in self.processes():
            with suppress(psutil.Error):
                found |= {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
        return found

    def commands(self) -> list[str]:
        """Their command lines."""
        found = []
        for process in self.processes():
            with suppress(psutil.Error):
                found.append(" ".join(process.cmdline()))
        return found

    def stage_processes(self) -> list[str]:
        """Of these, the ones that belong to a stage: DVC, the stage itself and its children."""
        return [line for line in self.commands() if any(part in line for part in ("stage.py", " dvc ", "sleep 600"))]


Wait = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="session")
def wait_until() -> Wait:
    """Waits until something is so."""

    def wait(ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not ready():
            assert time.monotonic() < deadline, f"not within {PATIENCE_S} s"
            time.sleep(0.1)

    return wait


def make_small(path: Path) -> Small:
    """A workspace in which nothing has run."""
    for name in ("params.yaml", ".gitignore", ".dvcignore"):
        shutil.copy2(ROOT / name, path / name)
    shutil.copytree(ROOT / "profiles", path / "profiles")
    (path / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copy2(ROOT / ".dvc" / name, path / ".dvc" / name)
    (path / "dvc.yaml").write_text(yaml.safe_dump(GRAPH, sort_keys=False), encoding="utf-8")
    (path / "stage.py").write_text(STAGE, encoding="utf-8")
    with (path / ".gitignore").open("a", encoding="utf-8") as ignored:
        ignored.write("/wait\n/fail\n/started.log\n")
    for command in (["init"], ["add", "--all"], ["commit", "-m", "start"]):
        identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
        subprocess.run(["git", *identity, *command], cwd=path, check=True, stdout=subprocess.DEVNULL)
    return Small(path)


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which everything has run once, by name, since it has no report to print; to be copied."""

    def make(path: Path) -> None:
        workspace = make_small(path)
        give_prefect_tables(tmp_path_factory, path / ".iterpref" / "prefect")
        give_mlflow_tables(tmp_path_factory, path)
        done = workspace.iterpref("run", "tables", "training")
        assert done.returncode == 0, done.stdout
        (path / ".iterpref" / "run.log").write_text(done.stdout, encoding="utf-8")

    return made_once(tmp_path_factory, "ran", make)


@pytest.fixture(scope="package")
def small(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Small:
    """A workspace in which everything has run, for the tests that `iterpref ui` serves."""
    path = tmp_path_factory.mktemp("small") / "workspace"
    copy_workspace(ran, path)
    return Small(path)


@pytest.fixture
def copy(ran: Path, tmp_path: Path) -> Iterator[Small]:
    """A workspace of the test's own in which everything has run."""
    copy_workspace(ran, tmp_path / "workspace")
    copy = Small(tmp_path / "workspace")
    yield copy
    copy.end_all()


@contextmanager
def prefect_server(home: Path, wait_until: Wait) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A Prefect server of nobody's on the tables in a folder; yields its address and process."""
    log = home / "server.log"
    environment = os.environ | {"PREFECT_HOME": str(home), "DO_NOT_TRACK": "1"}
    with reserved_port() as port:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", LOOPBACK, "--port", str(port)]
        with log.open("wb") as output:
            child = subprocess.Popen(command, cwd=home, env=environment, stdout=output, stderr=output)
        try:
            url = f"http://{LOOPBACK}:{port}/api"
            wait_until(lambda: child.poll() is not None or answers(f"{url}/health"))
            assert child.poll() is None, log.read_text(encoding="utf-8")
            yield url, child
        finally:
            child.kill()
            child.wait()


class Server:
    """The Prefect server of a workspace's `iterpref ui`."""

    def __init__(self, small: Small) -> None:
        text = (small.path / ".iterpref" / "interfaces.json").read_text(encoding="utf-8")
        self.addresses: dict[str, str] = json.loads(text)

    def ask(self, path: str, body: Any = None) -> Any:
        """GET, or POST where there is a body; again, as all of Prefect's clients, where SQLite is busy."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.addresses['prefect']}{path}", data, headers)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                if error.code != http.HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                    raise
                error.close()
                time.sleep(1)

    def trigger(self, flow: str = "experiment", /, **parameters: Any) -> str:
        """Ask for a run of the flow's deployment; returns its id."""
        deployment = self.ask(f"/deployments/name/{flow}/local")["id"]
        run = self.ask(f"/deployments/{deployment}/create_flow_run", {"parameters": parameters})
        return str(run["id"])

    def state(self, run: str) -> str:
        """The name of a run's state."""
        return str(self.ask(f"/flow_runs/{run}")["state"]["name"])

    def cancel(self, run: str) -> None:
        """What the button does."""
        self.ask(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})


@contextmanager
def interfaces(small: Small, wait_until: Wait) -> Iterator[tuple["subprocess.Popen[bytes]", Server]]:
    """`iterpref ui`, ended by the interrupt that Ctrl-C sends."""
    known = small.path / ".iterpref" / "interfaces.json"
    with ExitStack() as stack:
        if not known.exists():  # as if it had been killed at these ports: the usual ones are for one at a time
            ports = [stack.enter_context(reserved_port()) for _ in range(2)]
            prefect, mlflow = (f"http://{LOOPBACK}:{port}" for port in ports)
            known.write_text(json.dumps({"prefect": f"{prefect}/api", "mlflow": mlflow}), encoding="utf-8")
        left = known.stat().st_ino
        ui = small.start("ui")
        try:
            wait_until(lambda: ui.poll() is not None or known.stat().st_ino != left)
            assert ui.poll() is None, (small.path / "started.log").read_text(encoding="utf-8")
            server = Server(small)
            wait_until(lambda: len(server.ask("/deployments/filter", {})) == len(SERVED))
            yield ui, server
        finally:
            ui.send_signal(signal.SIGINT)
            try:
                ui.wait(PATIENCE_S)
            finally:
                ui.kill()


@pytest.fixture(scope="package")
def server(small: Small, wait_until: Wait) -> Iterator[Server]:
    """The interfaces of the workspace, of which nothing is left at the end."""
    with interfaces(small, wait_until) as (_, server):
        yield server
    assert not [line for line in small.commands() if "prefect" in line or "mlflow" in line]
