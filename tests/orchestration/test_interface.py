"""`iterpref ui`: trigger, watch and cancel through the Prefect server's API, which its pages use too."""

import json
import urllib.error
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.orchestration.conftest import Server, Small, Wait

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("interfaces")]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"objectives": ["dop"]}, "'dop'"),
        ({"seeds": ["three"]}, "'three'"),
        ({"profile": "tinny"}, "tinny"),
        ({"objektives": ["dpo"]}, "'objektives' was unexpected"),
    ],
)
def test_what_is_wrong_is_refused_by_the_server(server: "Server", wrong: dict[str, Any], named: str) -> None:
    before = server.ask("/flow_runs/count", {})
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.trigger(**wrong)
    with refused.value as answer:
        assert answer.code in (409, 422)
        assert named in answer.read().decode()
    assert server.ask("/flow_runs/count", {}) == before, "there is no run"


@pytest.mark.faults
def test_cancelling_ends_every_process_and_the_next_run_continues_also_with_a_lock_half_written(
    small: "Small", server: "Server", wait_until: "Wait"
) -> None:
    (small.path / "wait").write_text("training@dpo", encoding="utf-8")
    run = server.trigger(stages=["training@dpo"], force=True)
    wait_until(lambda: any("sleep 600" in line for line in small.stage_processes()))
    wait_until(lambda: bool(server.ask("/artifacts/filter", {"artifacts": {"type": {"any_": ["progress"]}}})))
    artifacts = server.ask("/artifacts/filter", {})
    assert {item["key"] for item in artifacts} >= {"training-dpo-waiting", "mlflow"}
    (link,) = [item["data"] for item in artifacts if item["key"] == "mlflow" and item["flow_run_id"] == run]
    assert server.addresses["mlflow"] in link

    server.cancel(run)
    wait_until(lambda: not small.stage_processes())
    wait_until(lambda: server.state(run) == "Cancelled")
    (small.path / "wait").unlink()
    (small.path / ".dvc" / "tmp" / "rwlock").write_text('{"read": {', encoding="utf-8")  # a lock half-written
    run = server.trigger(stages=["tables"])
    wait_until(lambda: server.state(run) in ("Failed", "Crashed", "Completed"))
    assert server.state(run) == "Completed", (small.path / "started.log").read_text(encoding="utf-8")


@pytest.mark.faults
def test_a_sweep_is_served_refuses_what_is_wrong_and_can_be_cancelled(
    small: "Small", server: "Server", wait_until: "Wait"
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

    (small.path / ".iterpref" / "workspaces" / "sweep" / "wait").write_text("training@dpo", encoding="utf-8")
    run = server.trigger("sweep", objectives=["dpo"], betas=[0.2], seeds=[6])
    wait_until(lambda: any("sleep 600" in line for line in small.stage_processes()))
    server.cancel(run)
    wait_until(lambda: not small.stage_processes())
    wait_until(lambda: server.state(run) == "Cancelled")
    assert {name: (small.path / name).read_bytes() for name in before} == before


def test_every_service_listens_on_loopback_alone(server: "Server", small: "Small") -> None:
    assert all("//127.0.0.1:" in address for address in server.addresses.values())
    assert small.listening() == {"127.0.0.1"}


def test_no_command_line_has_the_address_of_a_data_base(server: "Server", small: "Small") -> None:
    """It may hold a password, and everybody on the machine may read a command line."""
    commands = small.commands()
    assert any("mlflow" in line for line in commands)
    assert not [line for line in commands if "sqlite:" in line or "mlflow.db" in line]
