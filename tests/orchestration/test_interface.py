"""`iterpref ui`: trigger, watch and cancel through the Prefect server's API, which its pages use too."""

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.orchestration.conftest import Small

pytestmark = pytest.mark.timeout(900)

PATIENCE_S = 300


class Server:
    """The Prefect server of a workspace's `iterpref ui`."""

    def __init__(self, small: "Small") -> None:
        text = (small.path / ".iterpref" / "interfaces.json").read_text(encoding="utf-8")
        self.addresses: dict[str, str] = json.loads(text)

    def ask(self, path: str, body: Any = None) -> Any:
        """GET, or POST where there is a body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.addresses['prefect']}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

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


@pytest.fixture(scope="module")
def server(small: "Small", wait_until: Callable[..., float]) -> Iterator[Server]:
    """`iterpref ui`, ended by the interrupt that Ctrl-C sends."""
    ui = small.start("ui")
    log = small.path / "started.log"
    try:
        took = wait_until(lambda: ui.poll() is not None or (small.path / ".iterpref" / "interfaces.json").is_file())
        assert ui.poll() is None, log.read_text(encoding="utf-8")
        server = Server(small)
        took += wait_until(lambda: bool(server.ask("/deployments/filter", {})))
        print(f"iterpref ui: ready after {took:.1f} s")
        yield server
    finally:
        ui.send_signal(signal.SIGINT)
        try:
            ui.wait(60)
        finally:
            ui.kill()
    assert not [line for line in small.commands() if "prefect" in line or "mlflow" in line]


@pytest.mark.parametrize("wrong", [{"objectives": ["dop"]}, {"seeds": ["three"]}, {"profile": "tinny"}])
def test_a_wrong_value_is_refused_by_the_server(server: Server, wrong: dict[str, Any]) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.trigger(**wrong)
    with refused.value as answer:
        assert answer.code in (409, 422)
        assert str(next(iter(wrong.values()))).strip("[]") in answer.read().decode()


def test_a_parameter_that_does_not_exist_fails_the_run_at_once(
    small: "Small", server: Server, wait_until: Callable[..., float]
) -> None:
    before = (small.path / "dvc.lock").read_bytes()
    run = server.trigger(objektives=["dpo"])
    wait_until(lambda: server.state(run) in ("Failed", "Completed", "Crashed"))
    assert server.ask(f"/flow_runs/{run}")["state"]["type"] in ("FAILED", "CRASHED")
    assert "objektives" in (small.path / "started.log").read_text(encoding="utf-8")
    assert (small.path / "dvc.lock").read_bytes() == before


def test_cancelling_ends_every_process_and_the_next_run_continues(
    small: "Small", server: Server, wait_until: Callable[..., float]
) -> None:
    (small.path / "wait").write_text("train@dpo", encoding="utf-8")
    run = server.trigger(stages=["train@dpo"], force=True)
    wait_until(lambda: any("sleep 600" in line for line in small.stage_processes()))
    wait_until(lambda: bool(server.ask("/artifacts/filter", {"artifacts": {"type": {"any_": ["progress"]}}})))
    artifacts = server.ask("/artifacts/filter", {})
    assert {item["key"] for item in artifacts} >= {"train-dpo-waiting", "mlflow"}
    (link,) = [item["data"] for item in artifacts if item["key"] == "mlflow" and item["flow_run_id"] == run]
    assert server.addresses["mlflow"] in link

    server.cancel(run)
    gone = wait_until(lambda: not small.stage_processes())
    print(f"cancelled: no process of a stage after {gone:.1f} s")
    assert wait_until(lambda: server.state(run) == "Cancelled") + gone < 30, "10 s on a quiet machine"
    (small.path / "wait").unlink()
    done = small.iterpref("run", "tables")
    assert done.returncode == 0, done.stdout


def test_a_sweep_is_served_refuses_what_is_wrong_and_can_be_cancelled(
    small: "Small", server: Server, wait_until: Callable[..., float]
) -> None:
    for wrong in ({"betas": [0]}, {"objectives": ["dop"]}, {"benchmarks": []}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            server.trigger("sweep", **wrong)
        refused.value.close()
    before = {name: (small.path / name).read_bytes() for name in ("params.yaml", "dvc.yaml", "dvc.lock")}
    run = server.trigger("sweep", objectives=["dpo"], betas=[0.2], seeds=[5])
    wait_until(lambda: server.state(run) in ("Failed", "Completed", "Crashed"))
    assert server.state(run) == "Completed", (small.path / "started.log").read_text(encoding="utf-8")
    tables = server.ask("/artifacts/filter", {"artifacts": {"type": {"any_": ["table"]}}})
    (table,) = [item for item in tables if item["key"] == "sweep" and item["flow_run_id"] == run]
    assert [row["row"] for row in json.loads(table["data"])] == ["base", "dpo, beta 0.2"]

    (small.path / ".iterpref" / "workspaces" / "sweep" / "wait").write_text("train@dpo", encoding="utf-8")
    run = server.trigger("sweep", objectives=["dpo"], betas=[0.2], seeds=[6])
    wait_until(lambda: any("sleep 600" in line for line in small.stage_processes()))
    server.cancel(run)
    wait_until(lambda: not small.stage_processes())
    wait_until(lambda: server.state(run) == "Cancelled")
    assert {name: (small.path / name).read_bytes() for name in before} == before


def test_every_service_listens_on_loopback_alone(server: Server, small: "Small") -> None:
    assert all("//127.0.0.1:" in address for address in server.addresses.values())
    assert small.listening() == {"127.0.0.1"}
