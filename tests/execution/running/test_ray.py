"""A Ray cluster of several nodes gives the same outcomes, also if a node dies."""

import json
import os
import signal
import subprocess
import sys

import pytest

from iterpref_core.evaluation.benchmarks.benchmark import EvaluationSetting
from iterpref_core.evaluation.scoring.existing_samples import score_samples
from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import IoTest, Problem, Sample
from iterpref_core.records.config import load_params, with_values
from iterpref_core.records.errors import ExecutionError
from iterpref_core.storage.jsonl import write_jsonl
from tests.engines import outcomes_of
from tests.settings import ROOT

pytestmark = pytest.mark.slow

COUNT = 300

DRIVER = """
import json, os, sys
from iterpref_core.records.errors import ExecutionError
from iterpref_core.execution import Limits, Program
from iterpref_core.execution.running.ray_executor import RayExecutor
from iterpref_core.records import IoTest

count, settings, answers = int(sys.argv[1]), json.loads(sys.argv[2]), os.fdopen(int(sys.argv[3]), "w")

def say(what):
    print(json.dumps(what), file=answers, flush=True)

def program(number):
    return Program(f"def f(): return {number}", (IoTest(call="f()", expected=str(number // 3 * 3)),))

try:
    with RayExecutor(Limits(cpu_s=2, wall_s=20), **settings) as executor:
        say(executor.isolation)
        for number, outcome in executor.run_each(range(count), program):
            if number == 60:
                say("under way")
                sys.stdin.readline()
            say([outcome.verdict, outcome.feedback, outcome.isolation])
except ExecutionError as error:
    say({"error": str(error)})
"""


class Driver:
    """A process that uses the cluster: Ray may end a driver's process, and prints what it likes."""

    def __init__(self, cluster, count, **settings):
        answers, other_end = os.pipe()
        command = [sys.executable, "-c", DRIVER, str(count), json.dumps(settings), str(other_end)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[other_end],
            cwd=ROOT,
            env={**os.environ, "RAY_ADDRESS": cluster.address},
        )
        os.close(other_end)
        self._answers = os.fdopen(answers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()
        self._answers.close()

    def read(self):
        """Return the next line that it prints."""
        line = self._answers.readline()
        assert line, f"the driver ended with {self._process.wait()}"
        return json.loads(line)

    def read_rest(self):
        """Let it go on, and return what it prints until its end."""
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        rest = [json.loads(line) for line in self._answers]
        assert self._process.wait() == 0
        return rest


def program(number):
    return Program(f"def f(): return {number}", (IoTest(call="f()", expected=str(number // 3 * 3)),))


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


def test_a_node_killed_in_mid_run_loses_and_repeats_nothing(cluster):
    node = cluster.add_node(num_cpus=1)
    with Driver(cluster, COUNT) as driver:
        isolation = driver.read()
        there = [driver.read() for _ in range(60)]
        assert driver.read() == "under way"
        cluster.remove_node(node, allow_graceful=False)
        there += driver.read_rest()
    with Executor(Limits(cpu_s=2, wall_s=20), workers=2) as local:
        here = [[o.verdict, o.feedback, o.isolation] for o in outcomes_of(local, map(program, range(COUNT)))]
        assert isolation == local.isolation
    assert there == here


def test_an_error_on_a_node_is_the_callers(cluster):
    with Driver(cluster, 1, preload=["no_such_module"]) as driver:
        assert "rlimits" in driver.read()
        assert "no_such_module" in driver.read()["error"]


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
    evaluate_on_ray(cluster, tmp_path)
    here, there = (tmp_path / "local", tmp_path / "ray")
    assert json.loads((here / "results.json").read_text())["benchmarks"]["heldout"]["pass_at_1"] == 0.2
    files = sorted(path.relative_to(here) for path in here.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(there) for path in there.rglob("*") if path.is_file())
    for path in files:
        assert (there / path).read_bytes() == (here / path).read_bytes(), path


def evaluate_on_ray(cluster, folder):
    """Evaluate in a process that uses the cluster."""
    script = "import sys, pathlib; from tests.execution.running.test_ray import evaluate"
    command = [sys.executable, "-c", f"{script}; evaluate(pathlib.Path(sys.argv[1]), 'ray')", str(folder)]
    own = os.environ | {"RAY_ADDRESS": cluster.address}
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_cluster_that_is_not_there_is_named(monkeypatch):
    from iterpref_core.execution.running.ray_executor import RayExecutor

    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(
        ExecutionError, match=r"the Ray cluster at 127\.0\.0\.1:1 cannot be reached .* check RAY_ADDRESS"
    ):
        RayExecutor(Limits())
