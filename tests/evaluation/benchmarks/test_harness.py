"""What becomes of samples of several programs, and of a benchmark's canonical solutions."""

from iterpref_core.evaluation.benchmarks.benchmark import Benchmark
from iterpref_core.evaluation.benchmarks.harness import run_canonical_solutions
from iterpref_core.execution import Program
from iterpref_core.records import IoTest, Problem
from tests.settings import EXECUTION


class Steps(Benchmark[Problem]):
    """Three programs a task, each of which must find its own number in what a sample returns."""

    def __init__(self):
        names = [f"t/{number}" for number in range(14)]
        tasks = {name: Problem(task_id=name, prompt="?", entry_point="f", tests=()) for name in names}
        super().__init__("heldout", ("steps", "abc"), tasks, EXECUTION)
        self.started = []
        self.unjudged = "t/1"

    prompt = program = None

    def candidate(self, task, code, reference_s):
        if task.task_id == self.unjudged:
            return
        for number in range(3):
            self.started.append(task.task_id)
            yield Program(code, (IoTest(call=f"{number} in f()", expected="True"),))

    def canonical_solution(self, task):
        return "def f():\n    return range(3)" if task.task_id == "t/0" else "def f():\n    return ()"


def test_canonical_solutions_are_run_once_by_each_code_and_those_that_fail_are_named(tmp_path, caplog, monkeypatch):
    steps = Steps()
    with steps.open_executor() as executor:
        for _ in range(2):
            run_canonical_solutions(steps, executor, tmp_path)
            assert steps.canonical["t/1"].verdict == "infra_error"
        assert len(steps.started) == 2 * (3 + 12), "what could not be judged may be tomorrow"
        steps.started, steps.unjudged = [], ""
        run_canonical_solutions(steps, executor, tmp_path)
        first, started = steps.canonical, len(steps.started)
        run_canonical_solutions(steps, executor, tmp_path)
        assert steps.canonical == first
        assert len(steps.started) == started == 3 + 13
        assert (first["t/0"].verdict, first["t/2"].verdict) == ("passed", "wrong_answer")
        assert "heldout: 13 of the benchmark's canonical solutions fail, such as t/1" in caplog.text
        monkeypatch.setattr("iterpref_core.evaluation.benchmarks.harness.code_digest", lambda *_: "other code")
        run_canonical_solutions(steps, executor, tmp_path)
    assert len(steps.started) == 2 * started
