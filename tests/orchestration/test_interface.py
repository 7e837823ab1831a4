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

    def trigger(self, **parameters: Any) -> str:
        """Ask for a run of the deployment; returns its id."""
        deployment = self.ask("/deployments/name/experiment/local")["id"]
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


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"objectives": ["dop"]}, "'dop'"),
        ({"seeds": ["three"]}, "'three'"),
        ({"profile": "tinny"}, "tinny"),
        ({"objektives": ["dpo"]}, "'objektives' was unexpected"),
    ],
)
def test_a_wrong_value_or_parameter_is_refused_by_the_server(server: Server, wrong: dict[str, Any], named: str) -> None:
    before = server.ask("/flow_runs/count", {})
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.trigger(**wrong)
    with refused.value as answer:
        assert answer.code in (409, 422)
        assert named in answer.read().decode()
    assert server.ask("/flow_runs/count", {}) == before, "there is no run"


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


def test_every_service_listens_on_loopback_alone(server: Server, small: "Small") -> None:
    assert all("//127.0.0.1:" in address for address in server.addresses.values())
    assert small.listening() == {"127.0.0.1"}
