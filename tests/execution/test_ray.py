"""The same job stream on a Ray cluster of several nodes, one of which dies."""

import pytest
import ray
from ray.cluster_utils import Cluster

from iterpref_core.errors import ExecutionError
from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.execution.ray_executor import CHUNK, RayExecutor
from iterpref_core.records import IoTest

LIMITS = Limits(cpu_s=2, wall_s=20)


def program(number: int) -> Program:
    """One whose feedback says which one it was; every third passes."""
    return Program(
        f"def f():\n    return {number}", (IoTest(call="f()", expected=str(number if number % 3 == 0 else -1)),)
    )


@pytest.fixture(scope="module")
def cluster():
    """A head that runs nothing, and two nodes of one CPU."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def address(cluster, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    return cluster.address


@pytest.mark.usefixtures("address")
def test_a_cluster_gives_the_outcomes_that_one_machine_gives():
    programs = [program(number) for number in range(4 * CHUNK + 3)]
    programs[7] = Program("def f(:", programs[7].tests)
    with Executor(LIMITS, workers=1) as local, RayExecutor(LIMITS, workers=1) as spread:
        assert spread.isolation == local.isolation
        here, there = list(local.run(programs)), list(spread.run(iter(programs)))
    assert [(o.verdict, o.feedback, o.isolation) for o in there] == [(o.verdict, o.feedback, o.isolation) for o in here]
    assert not ray.is_initialized()


@pytest.mark.usefixtures("address")
def test_a_cluster_without_room_is_refused():
    with pytest.raises(ExecutionError, match=r"no node of the Ray cluster has 64 CPUs; lower execution\.workers"):
        RayExecutor(LIMITS, workers=64)


@pytest.mark.usefixtures("address")
def test_an_error_on_a_node_is_the_callers():
    with (
        RayExecutor(LIMITS, workers=1, preload=("no_such_module",)) as executor,
        pytest.raises(ExecutionError, match="no_such_module"),
    ):
        list(executor.run([program(1)]))


@pytest.mark.usefixtures("address")
def test_a_node_killed_in_mid_run_loses_and_repeats_nothing(cluster):
    node = cluster.add_node(num_cpus=1)
    with RayExecutor(LIMITS, workers=1) as executor:
        run = executor.run(program(number) for number in range(20 * CHUNK))
        outcomes = [next(run) for _ in range(2 * CHUNK)]
        cluster.remove_node(node, allow_graceful=False)
        outcomes += run
    assert [outcome.verdict for outcome in outcomes] == ["passed", "wrong_answer", "wrong_answer"] * (
        len(outcomes) // 3
    ) + [
        "passed",
        "wrong_answer",
    ]
    assert len(outcomes) == 20 * CHUNK
    wrong = {n: o.feedback for n, o in enumerate(outcomes) if o.verdict == "wrong_answer"}
    assert all(feedback == f"f() returned {number}, expected -1" for number, feedback in wrong.items())
