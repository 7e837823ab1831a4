"""A Ray cluster of several nodes gives the same outcomes, also if a node dies."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from iterpref_core.evaluation.benchmarks.benchmark import EvaluationSetting
from iterpref_core.evaluation.scoring.existing_samples import score_samples
from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import ExecutionError, IoTest, Problem, Sample, load_params, with_values
from iterpref_core.storage.jsonl import write_jsonl
from tests.engines import outcomes_of
from tests.settings import ROOT

pytestmark = pytest.mark.slow

COUNT = 300
LIMITS = Limits(cpu_s=2, wall_s=20)


def program(number):
    return Program(f"def f(): return {number}", (IoTest(call="f()", expected=str(number // 3 * 3)),))


def run_programs(folder, **settings):
    """Run programs on the cluster; after 60 of them, wait until the test goes on."""
    from iterpref_core.execution.running.ray_executor import RayExecutor

    with RayExecutor(LIMITS, **settings) as executor:
        found = []
        for number, outcome in executor.run_each(range(COUNT), program):
            if number == 60:
                (folder / "under way").touch()
                while not (folder / "go on").exists():
                    time.sleep(0.05)
            found.append([outcome.verdict, outcome.feedback, outcome.isolation])
        (folder / "found").write_text(json.dumps(found))


def on_ray(cluster, call, folder):
    """Start a call of a function of this file in a process that uses the cluster: Ray may end such a process."""
    given = "import sys, pathlib; folder = pathlib.Path(sys.argv[1])"
    script = f"from tests.execution.running.test_ray import *; {given}; {call}"
    own = os.environ | {"RAY_ADDRESS": cluster.address}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", script, str(folder)], cwd=ROOT, env=own, **pipes)


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one CPU."""
    from ray.cluster_utils import Cluster

    before = signal.getsignal(signal.SIGTERM)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()
    signal.signal(signal.SIGTERM, before)  # with Ray's, forks of the next tests would end with exit code 1


def test_a_node_killed_in_mid_run_loses_and_repeats_nothing(cluster, tmp_path):
    node = cluster.add_node(num_cpus=1)
    with on_ray(cluster, "run_programs(folder)", tmp_path) as driver:
        while not (tmp_path / "under way").exists():
            assert driver.poll() is None
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)
        (tmp_path / "go on").touch()
        _, said = driver.communicate()
    assert driver.returncode == 0, said
    with Executor(LIMITS, workers=2) as local:
        here = [[o.verdict, o.feedback, o.isolation] for o in outcomes_of(local, map(program, range(COUNT)))]
    assert json.loads((tmp_path / "found").read_text()) == here


def test_an_error_on_a_node_is_the_callers(cluster, tmp_path):
    _, said = on_ray(cluster, "run_programs(folder, preload=('no_such_module',))", tmp_path).communicate(timeout=120)
    assert "ExecutionError" in said
    assert "no_such_module" in said


def evaluate(folder, engine):
    changed = {"execution.engine": engine, "execution.workers": 1, "evaluation.benchmarks": ("heldout",)}
    params = with_values(load_params(ROOT / "params.yaml"), changed)
    setting = EvaluationSetting(params, folder / "problems.jsonl", folder / f"cache-{engine}")
    score_samples(folder / "samples.jsonl", setting, folder / engine)


def test_an_evaluation_on_ray_writes_the_results_of_one_on_this_machine(cluster, tmp_path):
    bodies = ["return {n}", "return {n} + 1", "raise ValueError({n})", "return", "return f("]
    problems = [
        Problem(
            task_id=f"h/{n}", prompt=f"Return {n}.", entry_point="f", tests=(IoTest(call="f()", expected=str(n)),),
            reference=f"def f():\n    return {n}\n", split="heldout",
        )
        for n in range(60)
    ]  # fmt: skip
    samples = [Sample(task_id=f"h/{n}", solution=f"def f():\n    {bodies[n % 5].format(n=n)}\n") for n in range(60)]
    write_jsonl(tmp_path / "problems.jsonl", problems)
    write_jsonl(tmp_path / "samples.jsonl", samples)
    evaluate(tmp_path, "local")
    driver = on_ray(cluster, "evaluate(folder, 'ray')", tmp_path)
    _, said = driver.communicate()
    assert driver.returncode == 0, said
    here, there = (tmp_path / "local", tmp_path / "ray")
    assert json.loads((here / "results.json").read_text())["benchmarks"]["heldout"]["pass_at_1"] == 0.2
    files = sorted(path.relative_to(here) for path in here.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(there) for path in there.rglob("*") if path.is_file())
    for path in files:
        assert (there / path).read_bytes() == (here / path).read_bytes(), path


def test_a_cluster_that_is_not_there_is_named(monkeypatch):
    from iterpref_core.execution.running.ray_executor import RayExecutor

    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(
        ExecutionError, match=r"the Ray cluster at 127\.0\.0\.1:1 cannot be reached .* check RAY_ADDRESS"
    ):
        RayExecutor(Limits())
